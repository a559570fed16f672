//! What the bytes of a peer's message may be, before anything is allocated for them. Decoding keeps
//! unknown fields and makes an object of a hundred bytes of each empty entry: a small message could
//! cost a hundred times its size.

/// Far more than a sender puts into one (mirror.rs).
const MOST_ENTRIES: usize = 16384;
const MOST_SNAPSHOT_METADATA: usize = 64 * 1024;

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    if count > bytes.len() as u64 {
        return None;
    }
    let (taken, rest) = bytes.split_at(count as usize);
    *bytes = rest;
    Some(taken)
}

/// Whether the bytes are fields up to number `most`, and `allows` says yes to each with its content
/// (empty for numbers).
fn fields(mut bytes: &[u8], most: u64, mut allows: impl FnMut(u64, &[u8]) -> bool) -> bool {
    while !bytes.is_empty() {
        let Some(tag) = varint(&mut bytes) else {
            return false;
        };
        let content = match tag & 7 {
            0 => varint(&mut bytes).map(|_| &[][..]),
            2 => varint(&mut bytes).and_then(|count| take(&mut bytes, count)),
            _ => None,
        };
        let known = (1..=most).contains(&(tag >> 3));
        if !known || !content.is_some_and(|content| allows(tag >> 3, content)) {
            return false;
        }
    }
    true
}

fn snapshot(bytes: &[u8]) -> bool {
    fields(bytes, 2, |number, content| {
        let metadata = |number: u64, content: &[u8]| number != 1 || fields(content, 5, |_, _| true);
        number != 2 || content.len() <= MOST_SNAPSHOT_METADATA && fields(content, 3, metadata)
    })
}

/// Whether these bytes can be an eraftpb.Message that a node of ours sent.
pub fn may_be_message(bytes: &[u8]) -> bool {
    let mut entries = 0;
    fields(bytes, 16, |number, content| match number {
        7 => {
            entries += 1;
            entries <= MOST_ENTRIES && fields(content, 6, |_, _| true)
        }
        9 => snapshot(content),
        _ => true,
    })
}
