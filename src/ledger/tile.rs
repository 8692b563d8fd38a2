//! Tiles: the pieces of a tree as C2SP tlog-tiles names them, `tile/<level>/<index>[.p/<width>]`.

use std::{fmt, str::FromStr};

use super::{Hash, LONGEST_ENTRY};

/// How many levels of nodes a tile spans.
pub(super) const HEIGHT: u32 = 8;
/// How many hashes a full tile has, and how many entries a full bundle.
pub const WIDTH: u64 = 1 << HEIGHT;

/// The highest level that a tree of 64-bit sizes has tiles in.
const HIGHEST_LEVEL: u8 = 7;
/// Greater ones would belong to leaves that can't be numbered.
const HIGHEST_INDEX: u64 = u64::MAX >> HEIGHT;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// Hashes of this level: of leaves at 0, of full tiles of the level below above it.
    Hashes(u8),
    /// The entries themselves: a bundle.
    Entries,
}

/// The name of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// What it holds.
    pub content: Content,
    /// Its place in its level.
    pub index: u64,
    /// How many hashes or entries it has: 1 to 256.
    pub width: u16,
}

/// A text that names no tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this names no tile")]
pub struct BadTilePath;

impl Tile {
    /// Every tile that a tree of this size has, from below; the bundles first.
    pub fn all_of(size: u64) -> impl Iterator<Item = Self> {
        let bundles = Self::of_level(Content::Entries, size);
        let levels = (0..=HIGHEST_LEVEL).flat_map(move |level| Self::of_level(Content::Hashes(level), size >> (HEIGHT * u32::from(level))));
        bundles.chain(levels)
    }

    fn of_level(content: Content, count: u64) -> impl Iterator<Item = Self> {
        (0..count.div_ceil(WIDTH)).map(move |index| Self { content, index, width: width(count - index * WIDTH) })
    }

    /// Whether a tree of this size has it, in this width or a greater one.
    pub fn is_in(&self, size: u64) -> bool {
        let level = match self.content {
            Content::Hashes(level) => level,
            Content::Entries => 0,
        };
        let count = size >> (HEIGHT * u32::from(level));
        self.index.checked_mul(WIDTH).is_some_and(|first| first + u64::from(self.width) <= count)
    }
}

/// The width of a tile when so many are left.
fn width(left: u64) -> u16 {
    u16::try_from(left.min(WIDTH)).unwrap_or_default()
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Hashes(level) => write!(f, "tile/{level}/")?,
            Content::Entries => f.write_str("tile/entries/")?,
        }
        let digits = format!("{:03}", self.index);
        let digits = format!("{digits:0>width$}", width = digits.len().div_ceil(3) * 3);
        let groups = digits.len() / 3;
        for group in 0..groups {
            let mark = if group + 1 < groups { "x" } else { "" };
            let end = if group + 1 < groups { "/" } else { "" };
            write!(f, "{mark}{}{end}", &digits[group * 3..group * 3 + 3])?;
        }
        if u64::from(self.width) < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for Tile {
    type Err = BadTilePath;

    /// Reads what `Display` writes, and nothing else: a tile has one name.
    fn from_str(text: &str) -> Result<Self, BadTilePath> {
        let rest = text.strip_prefix("tile/").ok_or(BadTilePath)?;
        let (content, rest) = rest.split_once('/').ok_or(BadTilePath)?;
        let content = match content {
            "entries" => Content::Entries,
            level => Content::Hashes(level.parse().ok().filter(|level| *level <= HIGHEST_LEVEL).ok_or(BadTilePath)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok().filter(|width| (1..WIDTH).contains(&u64::from(*width))).ok_or(BadTilePath)?),
            None => (rest, self::width(WIDTH)),
        };
        let digits: String = index.split('/').map(|group| group.strip_prefix('x').unwrap_or(group)).collect();
        let index = digits.parse().ok().filter(|index| *index <= HIGHEST_INDEX).ok_or(BadTilePath)?;
        let tile = Self { content, index, width };
        if tile.to_string() == text { Ok(tile) } else { Err(BadTilePath) }
    }
}

/// The bytes of a bundle: each entry after its length in 16 bits, big-endian.
pub fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.len() + 2).sum());
    for entry in entries {
        let length = u16::try_from(entry.len()).expect("an entry has at most 65,535 bytes");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes
}

const _: () = assert!(LONGEST_ENTRY == u16::MAX as usize);

/// The entries of a bundle; None when its bytes are none.
pub fn entries_of(mut bundle: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry.to_vec());
        bundle = rest;
    }
    Some(entries)
}

impl Hash {
    /// The bytes of a tile of hashes.
    pub fn join(hashes: &[Self]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// The hashes in the bytes of a tile; None when they are none.
    pub fn split(bytes: &[u8]) -> Option<Vec<Self>> {
        let (hashes, rest) = bytes.as_chunks::<{ Self::LENGTH }>();
        rest.is_empty().then(|| hashes.iter().copied().map(Self).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn tile(level: u8, index: u64, width: u16) -> Tile {
        Tile { content: Content::Hashes(level), index, width }
    }

    #[test]
    fn the_names_are_those_of_the_specification() {
        for (tile, text) in [
            (tile(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (tile(0, 0, 256), "tile/0/000"),
            (tile(3, 999, 255), "tile/3/999.p/255"),
            (tile(1, 1000, 1), "tile/1/x001/000.p/1"),
            (Tile { content: Content::Entries, index: 273, width: 112 }, "tile/entries/273.p/112"),
        ] {
            assert_eq!(tile.to_string(), text);
            assert_eq!(text.parse(), Ok(tile));
        }
    }

    #[test]
    fn there_is_one_name_for_each() {
        for text in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/00/000",
            "tile/8/000",
            "tile/-1/000",
            "tile/data/000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/x001/x000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1/2",
            "tile/0/000/",
            "/tile/0/000",
            "tile/0/+00",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(text.parse::<Tile>(), Err(BadTilePath), "{text}");
        }
    }

    /// The example of C2SP tlog-tiles: 70,000 leaves.
    #[test]
    fn a_tree_has_the_tiles_of_the_specifications_example() {
        let tiles: Vec<Tile> = Tile::all_of(70_000).collect();
        let of = |wanted: Content| tiles.iter().filter(move |tile| tile.content == wanted);
        let (full, partial): (Vec<&Tile>, Vec<&Tile>) = of(Content::Hashes(0)).partition(|tile| tile.width == 256);
        assert_eq!((full.len(), partial), (273, vec![&tile(0, 273, 112)]));
        assert_eq!(of(Content::Hashes(1)).collect::<Vec<_>>(), [&tile(1, 0, 256), &tile(1, 1, 17)]);
        assert_eq!(of(Content::Hashes(2)).collect::<Vec<_>>(), [&tile(2, 0, 1)]);
        assert_eq!((of(Content::Entries).count(), of(Content::Hashes(3)).count()), (274, 0));
        assert!(tiles.iter().all(|tile| tile.is_in(70_000)));
        assert!(!tile(0, 273, 113).is_in(70_000) && !tile(2, 0, 2).is_in(70_000) && !tile(7, 0, 1).is_in(70_000));
        assert_eq!(Tile::all_of(0).count(), 0);
        assert_eq!(
            Tile::all_of(256).map(|tile| tile.to_string()).collect::<Vec<_>>(),
            ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
        );
    }

    #[test]
    fn a_bundle_comes_apart_as_it_was_put_together() {
        let entries = vec![b"a".to_vec(), Vec::new(), vec![7; LONGEST_ENTRY]];
        let bytes = bundle(&entries);
        assert_eq!(bytes[..5], [0, 1, b'a', 0, 0]);
        assert_eq!(entries_of(&bytes), Some(entries));
        assert_eq!(entries_of(&bytes[..bytes.len() - 1]), None);
        assert_eq!(entries_of(&[0]), None);
        assert_eq!(Hash::split(&Hash::join(&[Hash([1; 32]), Hash([2; 32])])), Some(vec![Hash([1; 32]), Hash([2; 32])]));
        assert_eq!(Hash::split(&[0; 33]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(level in 0..=HIGHEST_LEVEL, index in 0..=HIGHEST_INDEX, width in 1..=256_u16) {
            let tile = tile(level, index, width);
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn reading_never_panics(text in "(tile/)?[0-9a-z./x]{0,24}", bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(tile) = text.parse::<Tile>() {
                prop_assert_eq!(tile.to_string(), text);
            }
            let _ = entries_of(&bytes);
        }
    }
}
