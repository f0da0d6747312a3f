//! Zigzag variable-length integers, read as leniently as Java reads them.

/// A cursor over bytes; every read is `None` at their end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(len)?;
        self.bytes = tail;
        Some(head)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    /// An int of at most five bytes; bits beyond the 32nd are dropped.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<i32> {
        let first = self.byte()?;
        let mut raw = u32::from(first & 0x7F);
        if first >= 0x80 {
            let mut shift = 7;
            loop {
                let byte = self.byte()?;
                raw |= u32::from(byte & 0x7F) << shift;
                if byte < 0x80 {
                    break;
                }
                shift += 7;
                if shift > 28 {
                    return None;
                }
            }
        }
        Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// A long of at most ten bytes; bits beyond the 64th are dropped.
    #[inline]
    pub(super) fn varlong(&mut self) -> Option<i64> {
        let first = self.byte()?;
        let mut raw = u64::from(first & 0x7F);
        if first >= 0x80 {
            let mut shift = 7;
            loop {
                let byte = self.byte()?;
                raw |= u64::from(byte & 0x7F) << shift;
                if byte < 0x80 {
                    break;
                }
                shift += 7;
                if shift > 63 {
                    return None;
                }
            }
        }
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Bytes behind their length; any negative length is null.
    #[inline]
    pub(super) fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            len if len < 0 => Some(None),
            len => self.take(len as usize).map(Some),
        }
    }
}

pub(super) fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

pub(super) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn unsigned_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

pub(super) fn varint_len(value: i32) -> usize {
    unsigned_len(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

pub(super) fn varlong_len(value: i64) -> usize {
    unsigned_len(((value << 1) ^ (value >> 63)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn java_drops_high_bits_and_refuses_a_sixth_byte() {
        assert_eq!(Cursor::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F]).varint(), Some(i32::MIN));
        assert_eq!(Cursor::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0x8F, 0]).varint(), None);
        assert_eq!(Cursor::new(&[0x80; 10]).varlong(), None);
        assert_eq!(Cursor::new(&[0x80]).varint(), None);
    }

    proptest! {
        #[test]
        fn there_and_back(int in any::<i32>(), long in any::<i64>()) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, int);
            prop_assert_eq!(bytes.len(), varint_len(int));
            put_varlong(&mut bytes, long);
            prop_assert_eq!(bytes.len(), varint_len(int) + varlong_len(long));
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.varint(), Some(int));
            prop_assert_eq!(cursor.varlong(), Some(long));
            prop_assert_eq!(cursor.remaining(), 0);
        }
    }
}
