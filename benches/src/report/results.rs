//! What was found, over all rounds.

use std::collections::BTreeMap;

use crate::{
    arm::Name,
    cell::{Cell, Figure, Figures},
};

#[derive(Default)]
pub(crate) struct Results {
    found: BTreeMap<(Cell, Name), Vec<Option<Figures>>>,
    pub(crate) failures: Vec<String>,
}

impl Results {
    /// Adds what a round found; every round adds to the same cells and arms.
    pub(crate) fn add(&mut self, cell: Cell, arm: Name, outcome: anyhow::Result<Figures>) {
        let figures = outcome.map_err(|error| self.failures.push(format!("{arm}, {cell:?}: {error:#}"))).ok();
        self.found.entry((cell, arm)).or_default().push(figures);
    }

    pub(crate) fn arms(&self, cell: Cell) -> Vec<Name> {
        self.found.keys().filter(|(of, _)| *of == cell).map(|(_, arm)| *arm).collect()
    }

    /// The median over the rounds.
    pub(crate) fn figure(&self, cell: Cell, arm: Name, figure: Figure) -> Option<f64> {
        median(self.rounds(cell, arm, figure).into_iter().flatten().collect())
    }

    /// The median over the rounds of what an arm has for each that plain copying has in the same round.
    pub(crate) fn ratio(&self, cell: Cell, arm: Name, figure: Figure) -> Option<f64> {
        let copy = self.rounds(cell, Name::Copy, figure);
        let ratios =
            self.rounds(cell, arm, figure).into_iter().zip(copy).filter_map(|(ours, copy)| Some(ours? / copy?));
        median(ratios.collect())
    }

    fn rounds(&self, cell: Cell, arm: Name, figure: Figure) -> Vec<Option<f64>> {
        let rounds = self.found.get(&(cell, arm)).into_iter().flatten();
        rounds.map(|figures| figures.as_ref()?.get(&figure).copied()).collect()
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
