//! Changes inputs at random: bits, bytes, words, parts of other inputs.

/// Bytes that parsers trip over.
const ODD: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'\r', b'\\', b'"', b'/', b'.', b'9'];
/// Blocks of archives.
const BLOCK: usize = 512;

/// The source of random numbers, and what it may use.
pub struct Mutator {
    state: u64,
    words: &'static [&'static str],
    most: usize,
}

impl Mutator {
    /// The same seed makes the same inputs.
    pub fn new(seed: u64, words: &'static [&'static str], most: usize) -> Self {
        Self { state: seed, words, most }
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one; 0 below 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    /// One of these inputs, changed in a few places.
    pub fn changed(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let from = self.below(pool.len());
        let mut input = pool[from].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input, pool);
        }
        input.truncate(self.most);
        input
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.below(len + 1);
        let longest = if self.below(4) == 0 { len - start } else { (len - start).min(16) };
        start..start + self.below(longest + 1)
    }

    fn change(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(11) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = ODD[self.below(ODD.len())],
            2 => {
                let byte = self.next() as u8;
                input.insert(at, byte);
            }
            3 | 4 if !self.words.is_empty() => {
                let word = self.words[self.below(self.words.len())];
                input.splice(at..at, word.bytes());
            }
            5 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            6 => {
                let range = self.range(input.len());
                let part = input[range].to_vec();
                let times = 1 + self.below(3);
                input.splice(at..at, part.repeat(times));
            }
            7 => {
                let other = &pool[self.below(pool.len())];
                let range = self.range(other.len());
                input.splice(at..at, other[range].iter().copied());
            }
            8 => {
                // A number becomes another one.
                if let Some(digit) = input.iter().skip(at).position(u8::is_ascii_digit) {
                    input[at + digit] = b'0' + self.below(10) as u8;
                }
            }
            9 if input.len() >= 2 * BLOCK => self.swap_blocks(input),
            _ => {
                let other = &pool[self.below(pool.len())];
                let cut = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[cut..]);
            }
        }
    }

    /// Copies or moves blocks of an archive.
    fn swap_blocks(&mut self, input: &mut Vec<u8>) {
        let blocks = input.len() / BLOCK;
        let (from, to, count) = (self.below(blocks), self.below(blocks), 1 + self.below(3));
        let part = input[from * BLOCK..(from + count).min(blocks) * BLOCK].to_vec();
        let replaced = if self.below(2) == 0 { 0 } else { part.len().min(input.len() - to * BLOCK) };
        input.splice(to * BLOCK..to * BLOCK + replaced, part);
    }
}
