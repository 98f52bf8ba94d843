//! What the answers of several servers mean together, and what follows from them for the names that were changed.

use super::pool::{Change, Spot, nobody};
use super::wire::refusal;
use crate::cache::fault::Fault;

/// What a line says that knows two answers; anything else is a fault.
pub fn yes_or_no(line: &[u8], yes: &[u8], no: &[u8]) -> Result<bool, Fault> {
    if line == yes {
        Ok(true)
    } else if line == no {
        Ok(false)
    } else {
        Err(refusal(line))
    }
}

/// Changes of names that live together. What a server that is well refuses the guard hears of.
pub fn changes<T>(
    names: Vec<String>,
    share: Vec<(usize, Spot)>,
    outcome: &Result<T, Fault>,
) -> Vec<Change> {
    let is_done = !matches!(outcome, Err(fault) if fault.is_of_the_backend());
    let both = names.into_iter().zip(share);
    both.map(|(name, (_, spot))| Change {
        name,
        spot,
        is_done,
    })
    .collect()
}

/// As [`changes`], of those among the names that live nowhere just now.
pub fn nowhere<'a>(
    names: impl Iterator<Item = &'a str>,
    homeless: Vec<(usize, Spot)>,
) -> Vec<Change> {
    let names: Vec<&str> = names.collect();
    let homeless = homeless.into_iter().filter_map(|(place, spot)| {
        Some(Change {
            name: (*names.get(place)?).to_owned(),
            spot,
            is_done: false,
        })
    });
    homeless.collect()
}

/// A fault of one entry among several, or the fault of all.
pub fn kept(fault: Fault) -> Result<Fault, Fault> {
    if fault.is_of_the_backend() {
        Err(fault)
    } else {
        Ok(fault)
    }
}

/// As [`some_of`], of changes: one that a server refused that is well is the fault of all, for nobody else remembers it.
pub fn changes_of<T>(answers: Vec<Result<T, Fault>>, asked: usize) -> Result<Vec<T>, Fault> {
    let refused = answers.iter().find_map(|answer| match answer {
        Err(fault) if !fault.is_of_the_backend() => Some(fault.clone()),
        _ => None,
    });
    match refused {
        Some(fault) => Err(fault),
        None => some_of(answers, asked),
    }
}

/// What the servers answered that did; a fault when none of them did.
pub fn some_of<T>(answers: Vec<Result<T, Fault>>, asked: usize) -> Result<Vec<T>, Fault> {
    if answers.is_empty() && asked > 0 {
        return Err(nobody());
    }
    let mut good = Vec::with_capacity(answers.len());
    let mut fault = None;
    for answer in answers {
        match answer {
            Ok(answer) => good.push(answer),
            Err(other) => fault = Some(other),
        }
    }
    match fault {
        Some(fault) if good.is_empty() => Err(fault),
        _ => Ok(good),
    }
}
