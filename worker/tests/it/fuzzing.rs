//! A short, fixed series of bytes for each parser of ours. `make fuzz` looks further.

use zoetrope_worker::fuzz::TARGETS;

/// Inputs for each.
const INPUTS: u32 = 3_000;

/// What real streams are made of, so that more than the first refusal of each parser is reached.
const SEEDS: [&[u8]; 12] = [
    // Chunks: a message of video in two of them; the size of chunks.
    &[
        7, 4, 0, 0, 100, 0, 0, 2, 9, 1, 0, 0, 0, 1, 2, 0x84, 0, 0, 40, 3, 4, 0xc4, 5, 6,
    ],
    &[1, 2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0x10, 0],
    // AMF 0: a text, a number, an object.
    &[2, 0, 1, b'a', 0, 64, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, b'b', 5, 0, 0, 9],
    // FLV: parameters of H.264, a key frame.
    &[
        0, 20, 0x17, 0, 0, 0, 0, 1, 100, 0, 10, 0xff, 0xe1, 0, 2, 0x67, 100, 1, 0, 1, 0x68, 7, 0, 11, 0x17, 1, 0, 0, 0,
        0, 0, 0, 2, 0x65, 1,
    ],
    // H.264 of 64 x 48 pixels: its parameter sets and a slice, behind what says that it is a key frame.
    &[
        0, 44, 0x61, 0, 0, 11, 184, 0, 0, 0, 1, 0x67, 0x64, 0, 10, 0xac, 0xd9, 0x44, 0x7b, 1, 16, 0, 0, 3, 0, 16, 0, 0,
        3, 3, 0x20, 0xf1, 0x22, 0x59, 0x60, 0, 0, 1, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0, 0, 0, 1, 0x65, 0x88,
    ],
    // A fragment.
    &[
        0, 0, 0, 88, b'm', b'o', b'o', b'f', 0, 0, 0, 16, b'm', b'f', b'h', b'd', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 64,
        b't', b'r', b'a', b'f', 0, 0, 0, 16, b't', b'f', b'h', b'd', 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 20, b't', b'f',
        b'd', b't', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 20, b't', b'r', b'u', b'n', 1, 0, 15, 1, 0, 0, 0, 0,
        0, 0, 0, 96,
    ],
    // A frame of AAC behind its head; a unit of a segment.
    &[0xff, 0xf1, 0x4c, 0x80, 1, 0x3f, 0xfc, 7, 8],
    &[
        1, 1, 0, 0, 0, 0, 0, 1, 0xec, 0x30, 0, 0, 0, 0, 0, 1, 0xe0, 0x78, 0, 0, 0, 2, 0x65, 0x88,
    ],
    // Playlists, each behind its length: segments, and variants.
    b"\x01\x36#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=AES-128,URI=\"a,b\",IV=0x09\n\
      #EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"9@1\"\n#EXTINF:5.5,t\n#EXT-X-BYTERANGE:10@20\na.ts\n#EXT-X-DISCONTINUITY\n\
      #EXT-X-BYTERANGE:5\n#EXTINF:6,\na.ts\n#EXT-X-GAP\n#EXTINF:6,\nb.ts\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\nc.ts\n#EXT-X-ENDLIST\n",
    b"\0\x5b#EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=320x240,CODECS=\"avc1.64000d,mp4a.40.2\"\na.m3u8\nb\n",
    b"\x03event: a\ndata: {\"b\":1}\r\n\r\ndata: c\n\n",
    b"\x10\0\0\0\x02\0\0\0{\"type\": \"done\"}[]",
];

/// xorshift64*, so that every run is the same (Vigna, "An experimental exploration of Marsaglia's xorshift generators").
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() >> 33) as usize % most.max(1)
    }

    /// Some seeds one after the other, or none, changed in some places, cut somewhere.
    fn input(&mut self) -> Vec<u8> {
        let mut input: Vec<u8> = (0..self.below(5))
            .flat_map(|_| SEEDS[self.below(SEEDS.len())].to_vec())
            .collect();
        input.extend((0..self.below(40)).map(|_| self.next() as u8));
        for _ in 0..self.below(6) {
            let at = self.below(input.len());
            if let Some(byte) = input.get_mut(at) {
                *byte = [self.next() as u8, 0, 1, 0xff][self.below(4)];
            }
        }
        if self.below(3) == 0 {
            input.truncate(self.below(input.len() + 1));
        }
        input
    }
}

#[test]
fn no_parser_breaks_on_a_series_of_made_up_bytes() {
    for (name, target) in TARGETS {
        for number in 1..=INPUTS {
            let input = Bytes(u64::from(number)).input();
            let told = std::panic::catch_unwind(|| target(&input));
            assert!(told.is_ok(), "{name} breaks on {input:?}");
        }
    }
}

#[test]
fn every_parser_has_its_own_program_for_libfuzzer() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("fuzz/ has a manifest");
    for (name, _) in TARGETS {
        let program = std::fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs")));
        assert!(
            program.is_ok_and(|text| text.contains(&format!("fuzz::{name}(bytes)"))),
            "{name}"
        );
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}
