//! The road on one screen: reader, workers, judge, reload, shutdown, statistics. It knows no protocol.
