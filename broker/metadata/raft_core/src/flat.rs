//! Flat little-endian bytes, as both sides of the C interface write and read them.

#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub fn numbers(&mut self, values: &[u64]) {
        self.number(values.len() as u64);
        for value in values {
            self.number(*value);
        }
    }
}

/// Panics on bytes that end early: both sides are one program.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn number(&mut self) -> u64 {
        let (head, rest) = self.0.split_at(8);
        self.0 = rest;
        u64::from_le_bytes(head.try_into().unwrap())
    }

    pub fn bytes(&mut self) -> &'a [u8] {
        let length = self.number() as usize;
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        head
    }

    pub fn numbers(&mut self) -> Vec<u64> {
        (0..self.number()).map(|_| self.number()).collect()
    }
}
