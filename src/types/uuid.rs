//! Kafka's 128-bit ids and their text form.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};

/// Java's decoder ignores the bits of the last character that belong to no byte; ids in the field rely on it.
const DECODER: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// A 128-bit id, printed as 22 characters of URL-safe base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The zero id: no topic id, or a directory that is not known.
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The metadata topic's id, and as a directory id: lost.
    pub const ONE: Uuid = Uuid(reserved(1));
    /// The topic id of `__cluster_metadata`.
    pub const METADATA_TOPIC_ID: Uuid = Uuid::ONE;
    /// Directory id: the replica was on a directory that went offline (KIP-858).
    pub const LOST_DIR: Uuid = Uuid::ONE;
    /// Directory id: no directory assigned (KIP-858).
    pub const UNASSIGNED_DIR: Uuid = Uuid::ZERO;
    /// Directory id: the broker has not been asked to assign directories (KIP-858).
    pub const MIGRATING_DIR: Uuid = Uuid(reserved(2));

    /// A random (version 4) id. As in Kafka, its text never begins with a dash and its value is not reserved.
    pub fn random() -> Uuid {
        loop {
            let id = Uuid(*uuid::Uuid::new_v4().as_bytes());
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }

    /// The id with `high` as its first eight bytes and `low` as its last eight, big-endian.
    pub fn from_halves(high: i64, low: i64) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        Uuid(bytes)
    }
}

const fn reserved(last: u8) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[15] = last;
    bytes
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 characters of URL-safe base64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an id: 22 characters of URL-safe base64 are expected")]
pub struct InvalidUuid(pub String);

impl FromStr for Uuid {
    type Err = InvalidUuid;
    fn from_str(text: &str) -> Result<Uuid, InvalidUuid> {
        let invalid = || InvalidUuid(text.chars().take(64).collect());
        let bytes = DECODER.decode(text.trim_end_matches('=')).map_err(|_| invalid())?;
        Ok(Uuid(bytes.try_into().map_err(|_| invalid())?))
    }
}

impl From<uuid::Uuid> for Uuid {
    fn from(id: uuid::Uuid) -> Uuid {
        Uuid(*id.as_bytes())
    }
}

impl From<Uuid> for uuid::Uuid {
    fn from(id: Uuid) -> uuid::Uuid {
        uuid::Uuid::from_bytes(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_kafkas() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid::ONE.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAQ".parse(), Ok(Uuid::ONE));
        assert!("MkU3OEVBNTcwNTJENDM2Qk".parse::<Uuid>().is_ok());
        assert!("too-short".parse::<Uuid>().is_err());
    }
}
