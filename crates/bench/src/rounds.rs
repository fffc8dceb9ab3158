//! Interleaved rounds.

use std::collections::BTreeMap;

use crate::{Result, work::Measurement};

/// The measurements of each round, by the contender's index.
pub type Rounds = BTreeMap<usize, Vec<Vec<Measurement>>>;

/// Gives each contender its turn in each round. `turn` gets the contender's index and the round.
///
/// # Errors
/// The first error of a turn.
pub fn interleaved(
    rounds: usize,
    contenders: impl IntoIterator<Item = usize> + Clone,
    mut turn: impl FnMut(usize, usize) -> Result<Vec<Measurement>>,
) -> Result<Rounds> {
    let mut measured = Rounds::new();
    for round in 0..rounds {
        for contender in contenders.clone() {
            measured.entry(contender).or_default().push(turn(contender, round)?);
        }
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::interleaved;

    #[test]
    fn each_contender_has_its_turn_before_the_next_round() {
        let mut turns = Vec::new();
        let measured = interleaved(2, [0, 2], |contender, round| {
            turns.push((round, contender));
            Ok(Vec::new())
        });
        assert_eq!(turns, [(0, 0), (0, 2), (1, 0), (1, 2)]);
        assert_eq!(measured.expect("no turn fails").len(), 2);
    }
}
