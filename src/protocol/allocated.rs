//! What the allocator gives for what it is asked: for small pieces it makes a difference of a tenth.

/// The bytes that jemalloc, which servers are built with, hands out for a request of so many: multiples of 16 up to
/// 128, then four sizes to a doubling. Other allocators round much the same.
pub(crate) fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(1 << (bytes - 1).ilog2().saturating_sub(2)),
    }
}

#[cfg(test)]
mod tests {
    use super::allocated;

    #[test]
    fn sizes_are_those_of_jemalloc() {
        let mut classes: Vec<usize> = (1..=1024).map(allocated).collect();
        classes.dedup();
        let expected = [
            8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024,
        ];
        assert_eq!(classes, expected);
        assert_eq!(allocated(0), 0);
    }
}
