//! Which verdicts become alerts: rule files, thresholds, suppressions, expected services. Policy, not knowledge.
