//! Measures over judged flows: Brier score, reliability, expected calibration error.

use crate::replay::Judged;

/// How flows are put into ten bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bins {
    /// 0 to 0.1, 0.1 to 0.2, and so on.
    EqualWidth,
    /// A tenth of the flows each, by confidence.
    EqualMass,
}

const BINS: usize = 10;

/// A reliability table and what it comes to.
#[derive(Debug)]
pub(crate) struct Reliability {
    /// Per bin that is not empty.
    pub(crate) bins: Vec<Bin>,
    /// Expected calibration error: mean distance of confidence and accuracy, weighted by flows.
    pub(crate) error: f64,
}

/// One line of a reliability table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bin {
    pub(crate) flows: usize,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) confidence: f64,
    pub(crate) accuracy: f64,
}

/// Mean over flows of the squared distance between what was said and what was true, summed over events: 0 is
/// perfect, 2 the worst.
pub(crate) fn brier<'a>(flows: impl IntoIterator<Item = &'a Judged>) -> f64 {
    mean(flows.into_iter().map(|flow| {
        let said = flow.chances.iter().enumerate();
        said.map(|(event, chance)| (chance - f64::from(u8::from(event == flow.truth))).powi(2)).sum()
    }))
}

/// How confidence and accuracy agree.
pub(crate) fn reliability<'a>(flows: impl IntoIterator<Item = &'a Judged>, bins: Bins) -> Reliability {
    pairs(flows.into_iter().map(|flow| (flow.confidence(), flow.is_hit())).collect(), bins)
}

/// The same over confidences and hits.
pub(crate) fn pairs(mut pairs: Vec<(f64, bool)>, bins: Bins) -> Reliability {
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let all = pairs.len();
    let mut filled: Vec<Vec<(f64, bool)>> = vec![Vec::new(); BINS];
    for (place, pair) in pairs.into_iter().enumerate() {
        let bin = match bins {
            // Upper bounds belong to the bin above, 1.0 to the last.
            Bins::EqualWidth => (1..BINS)
                .filter(|bound| pair.0 >= f64::from(u8::try_from(*bound).unwrap_or(0)) / 10.0)
                .count(),
            Bins::EqualMass => place * BINS / all,
        };
        filled[bin].push(pair);
    }
    let bins: Vec<Bin> = filled.iter().filter(|bin| !bin.is_empty()).map(|bin| line(bin)).collect();
    let error = bins.iter().map(|bin| (bin.confidence - bin.accuracy).abs() * count(bin.flows)).sum::<f64>();
    Reliability { bins, error: error / count(all.max(1)) }
}

fn line(bin: &[(f64, bool)]) -> Bin {
    Bin {
        flows: bin.len(),
        lowest: bin[0].0,
        highest: bin[bin.len() - 1].0,
        confidence: mean(bin.iter().map(|(confidence, _)| *confidence)),
        accuracy: mean(bin.iter().map(|(_, hit)| f64::from(u8::from(*hit)))),
    }
}

/// The mean; 0 of nothing.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    sum / count(n.max(1))
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}
