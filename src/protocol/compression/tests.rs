//! Every codec there and back, the shapes other writers use, and bytes that mean harm.

use proptest::prelude::*;

use super::{Compression, CompressionError, Decompressor};

fn compressed(codec: Compression, level: Option<i32>, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.compress(level, input, &mut out);
    out
}

fn text(len: usize) -> Vec<u8> {
    b"a line of text that repeats, with a number ".iter().copied().cycle().take(len).collect()
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

#[test]
fn there_and_back_at_every_level() {
    let levels = [
        (Compression::None, vec![None]),
        (Compression::Gzip, vec![None, Some(-1), Some(1), Some(9)]),
        (Compression::Snappy, vec![None]),
        (Compression::Lz4, vec![None, Some(1), Some(9), Some(12), Some(17)]),
        (Compression::Zstd, vec![None, Some(-131072), Some(1), Some(22)]),
    ];
    let mut decompressor = Decompressor::new();
    for (codec, levels) in levels {
        for level in levels {
            for input in [text(0), text(1), text(1 << 10), text(300 << 10), noise(200 << 10)] {
                let bytes = compressed(codec, level, &input);
                assert_eq!(decompressor.decompress(codec, &bytes).unwrap(), &input[..], "{codec} {level:?}");
            }
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = vec![0; 8 << 20];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let bytes = compressed(codec, None, &zeros);
        let mut small = Decompressor::with_limit(1 << 20);
        assert_eq!(small.decompress(codec, &bytes), Err(CompressionError::TooLarge { limit: 1 << 20 }), "{codec}");
        assert_eq!(Decompressor::with_limit(8 << 20).decompress(codec, &bytes).unwrap().len(), 8 << 20);
    }
}

#[test]
fn every_cut_is_noticed() {
    let input = text(70 << 10);
    let mut decompressor = Decompressor::new();
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let bytes = compressed(codec, None, &input);
        // No zstd frame is no data, which is for the reader of the records to miss.
        let first = usize::from(codec == Compression::Zstd);
        for cut in first..bytes.len() {
            assert!(decompressor.decompress(codec, &bytes[..cut]).is_err(), "{codec} cut at {cut}");
        }
    }
}

#[test]
fn snappy_reads_raw_blocks_and_repeated_headers() {
    let raw = snap::raw::Encoder::new().compress_vec(b"one raw block").unwrap();
    let mut decompressor = Decompressor::new();
    assert_eq!(decompressor.decompress(Compression::Snappy, &raw).unwrap(), b"one raw block");

    let mut twice = compressed(Compression::Snappy, None, b"first ");
    twice.extend(compressed(Compression::Snappy, None, b"second"));
    assert_eq!(decompressor.decompress(Compression::Snappy, &twice).unwrap(), b"first second");
}

#[test]
fn a_snappy_length_that_lies_takes_no_memory() {
    // A raw block that claims 4 GiB minus one, and a xerial chunk that claims 64 MiB.
    let mut decompressor = Decompressor::new();
    assert!(decompressor.decompress(Compression::Snappy, &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0]).is_err());
    assert!(decompressor.decompress(Compression::Snappy, &[0x80, 0x80, 0x80, 0x20, 0, 0]).is_err());
}

#[test]
fn gzip_reads_every_member_and_ignores_what_follows() {
    let mut bytes = compressed(Compression::Gzip, None, b"first ");
    bytes.extend(compressed(Compression::Gzip, Some(1), b"second"));
    bytes.extend_from_slice(b"garbage");
    let mut decompressor = Decompressor::new();
    assert_eq!(decompressor.decompress(Compression::Gzip, &bytes).unwrap(), b"first second");
}

#[test]
fn zstd_reads_every_frame() {
    let mut bytes = compressed(Compression::Zstd, None, b"first ");
    bytes.extend(compressed(Compression::Zstd, None, b"second"));
    assert_eq!(Decompressor::new().decompress(Compression::Zstd, &bytes).unwrap(), b"first second");
}

#[test]
fn lz4_refuses_linked_blocks_and_a_bad_descriptor() {
    let mut bytes = compressed(Compression::Lz4, None, b"text");
    bytes[6] ^= 1;
    assert!(Decompressor::new().decompress(Compression::Lz4, &bytes).is_err());
    let mut linked = lz4::EncoderBuilder::new().block_mode(lz4::BlockMode::Linked).build(Vec::new()).unwrap();
    std::io::Write::write_all(&mut linked, &text(200 << 10)).unwrap();
    let (linked, result) = linked.finish();
    result.unwrap();
    assert!(Decompressor::new().decompress(Compression::Lz4, &linked).is_err());
}

#[test]
fn lz4_reads_checksums_and_large_blocks_of_other_writers() {
    for size in [lz4::BlockSize::Max256KB, lz4::BlockSize::Max1MB, lz4::BlockSize::Max4MB] {
        let mut encoder = lz4::EncoderBuilder::new()
            .block_mode(lz4::BlockMode::Independent)
            .block_size(size)
            .checksum(lz4::ContentChecksum::ChecksumEnabled)
            .level(12)
            .build(Vec::new())
            .unwrap();
        let input = text(5 << 20);
        std::io::Write::write_all(&mut encoder, &input).unwrap();
        let (bytes, result) = encoder.finish();
        result.unwrap();
        assert_eq!(Decompressor::new().decompress(Compression::Lz4, &bytes).unwrap(), &input[..]);
    }
}

proptest! {
    #[test]
    fn any_input_survives(input in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let mut decompressor = Decompressor::new();
        for codec in Compression::ALL {
            let bytes = compressed(codec, None, &input);
            prop_assert_eq!(decompressor.decompress(codec, &bytes).unwrap(), &input[..]);
        }
    }

    #[test]
    fn any_bytes_are_harmless(input in proptest::collection::vec(any::<u8>(), 0..512)) {
        let mut decompressor = Decompressor::with_limit(1 << 20);
        for codec in Compression::ALL {
            let _ = decompressor.decompress(codec, &input);
        }
    }

    #[test]
    fn damage_is_harmless(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let input = text(100 << 10);
        let mut decompressor = Decompressor::with_limit(1 << 20);
        for codec in Compression::ALL {
            let mut bytes = compressed(codec, None, &input);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let _ = decompressor.decompress(codec, &bytes);
        }
    }
}
