//! The tree of RFC 6962 over tiles of height 8: it grows, has a root at every size, and proves two things: that a leaf is
//! in it, and that it only grew.

use std::ops::Range;

use super::{
    Hash, node_hash,
    tile::{HEIGHT, WIDTH},
};

/// The right edge of a tree: all that has to be known to go on growing. For each level of tiles, the hashes of the one that is
/// not full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// A tile that has become full and never changes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullTile {
    /// Its level.
    pub level: u8,
    /// Its place in the level.
    pub index: u64,
    /// Its 256 hashes.
    pub hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree of this size with these tiles.
    pub fn read<T: Tiles>(size: u64, tiles: &mut T) -> Result<Self, T::Error> {
        let mut levels = Vec::new();
        for (level, width) in (0..).map_while(|level| Some((level, tiles_below(size, level)?))) {
            let wanted = usize::try_from(width % WIDTH).unwrap_or_default();
            let mut hashes = if wanted == 0 { Vec::new() } else { tiles.tile(level, width / WIDTH)? };
            hashes.truncate(wanted);
            levels.push(hashes);
        }
        Ok(Self { size, levels })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. Returns the tiles that are full now, from below.
    pub fn push(&mut self, leaf: Hash) -> Vec<FullTile> {
        let mut full = Vec::new();
        let (mut level, mut hash) = (0_u8, leaf);
        loop {
            if self.levels.len() <= level.into() {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[usize::from(level)];
            hashes.push(hash);
            if (hashes.len() as u64) < WIDTH {
                break;
            }
            let hashes = std::mem::take(hashes);
            hash = root_of(&hashes);
            full.push(FullTile { level, index: self.size >> (HEIGHT * (u32::from(level) + 1)), hashes });
            level += 1;
        }
        self.size += 1;
        full
    }

    /// The tile of this level that is neither empty nor full, if there is one, with its place.
    pub fn partial(&self, level: u8) -> Option<(u64, &[Hash])> {
        let hashes = self.levels.get(usize::from(level)).filter(|hashes| !hashes.is_empty())?;
        Some((self.size >> (HEIGHT * (u32::from(level) + 1)), hashes))
    }

    /// The tiles that are neither empty nor full: level, place, hashes.
    pub fn partials(&self) -> impl Iterator<Item = (u8, u64, &[Hash])> {
        (0..).take(self.levels.len()).filter_map(|level| self.partial(level).map(|(index, hashes)| (level, index, hashes)))
    }

    /// The root.
    pub fn root(&self) -> Hash {
        // From the smallest complete subtree, at the right, to the greatest.
        let subtrees = self.levels.iter().flat_map(|hashes| subtrees_from_the_right(hashes));
        subtrees.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(Hash::of_nothing)
    }
}

/// How many hashes a level of tiles has in all; None above the highest.
fn tiles_below(size: u64, level: u8) -> Option<u64> {
    let count = size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0);
    (count > 0).then_some(count)
}

/// The complete subtrees over some hashes, the smallest first.
fn subtrees_from_the_right(hashes: &[Hash]) -> Vec<Hash> {
    let (mut rest, mut found) = (hashes, Vec::new());
    while !rest.is_empty() {
        let (left, right) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
        found.push(root_of(right));
        rest = left;
    }
    found
}

/// The root of the tree with these leaves.
pub fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::of_nothing(),
        [hash] => *hash,
        _ => {
            // RFC 6962 §2.1: the left subtree has the largest power of two that is smaller than the number of leaves.
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Where the tiles of a tree are.
pub trait Tiles {
    /// Why one can't be had.
    type Error;

    /// A tile, as wide as it is or as any reader has needed it.
    fn tile(&mut self, level: u8, index: u64) -> Result<Vec<Hash>, Self::Error>;
}

/// The root of the tree with the first `size` leaves.
pub fn root<T: Tiles>(size: u64, tiles: &mut T) -> Result<Hash, T::Error> {
    subtree(0..size, tiles)
}

/// The proof that the leaf at `index` is in the tree of this size: the hashes beside its way up to the root. `index` must be
/// below `size`.
pub fn inclusion<T: Tiles>(index: u64, size: u64, tiles: &mut T) -> Result<Vec<Hash>, T::Error> {
    // RFC 6962 §2.1.1: PATH(m, D[n]), from above here and turned round at the end.
    let (mut range, mut path) = (0..size, Vec::new());
    while range.end - range.start > 1 {
        let middle = split(&range);
        let (way, beside) =
            if index < middle { (range.start..middle, middle..range.end) } else { (middle..range.end, range.start..middle) };
        path.push(subtree(beside, tiles)?);
        range = way;
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of size `from` is the beginning of that of size `to`. `from` must be 1 at least, and no greater than
/// `to`.
pub fn consistency<T: Tiles>(from: u64, to: u64, tiles: &mut T) -> Result<Vec<Hash>, T::Error> {
    // RFC 6962 §2.1.2: SUBPROOF(m, D[n], b), from above here and turned round at the end.
    let (mut range, mut proof) = (0..to, Vec::new());
    while range.end != from {
        let middle = split(&range);
        if from <= middle {
            proof.push(subtree(middle..range.end, tiles)?);
            range.end = middle;
        } else {
            proof.push(subtree(range.start..middle, tiles)?);
            range.start = middle;
        }
    }
    // What the verifier has as the root of the smaller tree is left out.
    if range.start > 0 {
        proof.push(subtree(range, tiles)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Where a range of two leaves at least falls in two.
fn split(range: &Range<u64>) -> u64 {
    range.start + largest_power_below(range.end - range.start)
}

/// The largest power of two that is smaller than a number, which is 2 at least.
fn largest_power_below(number: u64) -> u64 {
    1 << (number - 1).ilog2()
}

/// The hash of the tree over a range, as such ranges come up in trees: they begin at a multiple of the power of two that is not
/// smaller than their length.
fn subtree<T: Tiles>(range: Range<u64>, tiles: &mut T) -> Result<Hash, T::Error> {
    let length = range.end - range.start;
    if length == 0 {
        return Ok(Hash::of_nothing());
    }
    if length.is_power_of_two() {
        return complete(range.start, length.trailing_zeros(), tiles);
    }
    let middle = split(&range);
    let (left, right) = (subtree(range.start..middle, tiles)?, subtree(middle..range.end, tiles)?);
    Ok(node_hash(&left, &right))
}

/// The hash of the complete subtree of this height that begins at a leaf: it lies within one tile.
fn complete<T: Tiles>(start: u64, height: u32, tiles: &mut T) -> Result<Hash, T::Error> {
    let level = height / HEIGHT;
    let first = start >> (HEIGHT * level);
    let hashes = tiles.tile(u8::try_from(level).unwrap_or(u8::MAX), first / WIDTH)?;
    let from = usize::try_from(first % WIDTH).unwrap_or_default();
    let covered = hashes.get(from..from + (1 << (height % HEIGHT)));
    // A tile that is too narrow makes a wrong hash, which no verifier takes for the right one.
    Ok(root_of(covered.unwrap_or_default()))
}

/// Whether the proof shows that the tree of this size and root has this leaf at this index.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    // RFC 9162 §2.1.3.2: the algorithm that goes up from the leaf.
    if index >= size {
        return false;
    }
    let (mut number, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if number & 1 == 1 || number == last {
            hash = node_hash(beside, &hash);
            while number & 1 == 0 && number != 0 {
                number >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        number >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether the proof shows that the tree of the second size and root begins with that of the first.
pub fn verify_consistency(from: (u64, &Hash), to: (u64, &Hash), proof: &[Hash]) -> bool {
    // RFC 9162 §2.1.4.2: both roots are made from the proof.
    let ((first, first_root), (second, second_root)) = (from, to);
    if first == 0 || first > second {
        return false;
    }
    if first == second {
        return proof.is_empty() && first_root == second_root;
    }
    let mut path = proof.iter();
    let begin = if first.is_power_of_two() { Some(first_root) } else { path.next() };
    let Some(begin) = begin else { return false };
    let (mut number, mut last) = (first - 1, second - 1);
    while number & 1 == 1 {
        number >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*begin, *begin);
    for beside in path {
        if last == 0 {
            return false;
        }
        if number & 1 == 1 || number == last {
            old = node_hash(beside, &old);
            new = node_hash(beside, &new);
            while number & 1 == 0 && number != 0 {
                number >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, beside);
        }
        number >>= 1;
        last >>= 1;
    }
    last == 0 && old == *first_root && new == *second_root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::testing::{Grown, leaf};

    fn naive(size: u64) -> Hash {
        root_of(&(0..size).map(leaf).collect::<Vec<_>>())
    }

    /// Around every place where a tile gets full, and where the number of levels changes.
    fn sizes() -> Vec<u64> {
        let near = |size: u64| size.saturating_sub(2)..size + 3;
        (0..40).chain(near(64)).chain(near(256)).chain(near(512)).chain(near(65_536)).chain(near(66_304)).chain([70_000]).collect()
    }

    /// The tree that RFC 6962 §2.1.3 draws.
    #[test]
    #[expect(clippy::many_single_char_names, reason = "the nodes are called so there")]
    fn rfc6962_2_1_1_the_example_of_the_rfc_has_the_proofs_that_it_lists() {
        let d: Vec<Hash> = (0..7).map(leaf).collect();
        let (g, h, i, j) = (node_hash(&d[0], &d[1]), node_hash(&d[2], &d[3]), node_hash(&d[4], &d[5]), d[6]);
        let (k, l) = (node_hash(&g, &h), node_hash(&i, &j));
        let mut tree = Grown::to(7);
        assert_eq!(tree.edge.root(), node_hash(&k, &l));
        assert_eq!(inclusion(0, 7, &mut tree), Ok(vec![d[1], h, l]));
        assert_eq!(inclusion(3, 7, &mut tree), Ok(vec![d[2], g, l]));
        assert_eq!(inclusion(4, 7, &mut tree), Ok(vec![d[5], j, k]));
        assert_eq!(inclusion(6, 7, &mut tree), Ok(vec![i, k]));
        assert_eq!(consistency(3, 7, &mut tree), Ok(vec![d[2], d[3], g, l]));
        assert_eq!(consistency(4, 7, &mut tree), Ok(vec![l]));
        assert_eq!(consistency(6, 7, &mut tree), Ok(vec![i, j, k]));
    }

    #[test]
    fn rfc6962_2_1_a_tree_that_grew_has_the_root_of_its_leaves() {
        for size in sizes() {
            let mut tree = Grown::to(size);
            let expected = naive(size);
            assert_eq!(tree.edge.root(), expected, "{size}");
            assert_eq!(root(size, &mut tree), Ok(expected), "{size}");
            let edge = tree.edge.clone();
            assert_eq!(Edge::read(size, &mut tree), Ok(edge), "{size}");
        }
    }

    #[test]
    fn an_edge_read_from_tiles_that_went_on_growing_is_the_one_of_its_time() {
        let mut tree = Grown::to(70_000);
        for size in sizes().into_iter().filter(|size| *size <= 70_000) {
            assert_eq!(Edge::read(size, &mut tree), Ok(Grown::to(size).edge), "{size}");
        }
    }

    #[test]
    fn rfc6962_2_1_1_every_leaf_of_every_small_tree_is_proven_and_no_other() {
        let mut tree = Grown::to(40);
        for size in 1..=40 {
            let top = naive(size);
            for index in 0..size {
                let proof = inclusion(index, size, &mut tree).expect("a proof");
                assert!(verify_inclusion(&leaf(index), index, size, &proof, &top), "{index} of {size}");
                for other in (0..=size).filter(|other| *other != index) {
                    assert!(!verify_inclusion(&leaf(index), other, size, &proof, &top), "{index} of {size} as {other}");
                }
                assert!(!verify_inclusion(&leaf(index + 1), index, size, &proof, &top));
                assert!(!verify_inclusion(&leaf(index), index, size, &[proof.as_slice(), &[top]].concat(), &top));
                assert!(proof.is_empty() || !verify_inclusion(&leaf(index), index, size, &proof[1..], &top));
            }
        }
    }

    #[test]
    fn rfc6962_2_1_2_every_small_tree_is_shown_to_begin_every_greater_one() {
        let mut tree = Grown::to(40);
        for to in 1..=40 {
            for from in 1..=to {
                let proof = consistency(from, to, &mut tree).expect("a proof");
                let (old, new) = (naive(from), naive(to));
                assert!(verify_consistency((from, &old), (to, &new), &proof), "{from} to {to}");
                assert!(!verify_consistency((from, &leaf(99)), (to, &new), &proof), "{from} to {to}");
                assert!(!verify_consistency((from, &old), (to, &leaf(99)), &proof), "{from} to {to}");
                assert!(!verify_consistency((from, &old), (to, &new), &[proof.as_slice(), &[new]].concat()));
                assert!(proof.is_empty() || !verify_consistency((from, &old), (to, &new), &proof[1..]));
                assert!(!verify_consistency((0, &old), (to, &new), &proof) && !verify_consistency((to + 1, &old), (to, &new), &proof));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn rfc9162_2_1_3_2_a_proof_holds_for_its_leaf_alone(size in 1..1200_usize, at in any::<prop::sample::Index>(), bit in 0..256_usize) {
            let (index, size) = (at.index(size) as u64, size as u64);
            let mut tree = Grown::to(size);
            let top = tree.edge.root();
            let mut proof = inclusion(index, size, &mut tree).expect("a proof");
            prop_assert!(verify_inclusion(&leaf(index), index, size, &proof, &top));
            if let Some(hash) = proof.last_mut() {
                hash.0[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!verify_inclusion(&leaf(index), index, size, &proof, &top));
            }
        }

        #[test]
        fn rfc9162_2_1_4_2_a_tree_with_another_leaf_is_not_a_continuation(to in 2..1200_usize, at in any::<prop::sample::Index>()) {
            let (from, to) = (1 + at.index(to - 1) as u64, to as u64);
            let mut forked = Edge::default();
            for index in 0..to {
                forked.push(leaf(if index == from - 1 { 5_000 } else { index }));
            }
            let mut tree = Grown::to(to);
            let proof = consistency(from, to, &mut tree).expect("a proof");
            prop_assert!(verify_consistency((from, &naive(from)), (to, &tree.edge.root()), &proof));
            prop_assert!(!verify_consistency((from, &naive(from)), (to, &forked.root()), &proof));
        }
    }
}
