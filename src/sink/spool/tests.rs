//! Spools that are killed, damaged, full and opened twice.

use super::*;
use proptest::prelude::*;

const NO_PAUSE: Duration = Duration::ZERO;

fn write(spool: &Arc<Spool>, lines: &[String]) {
    let mut appender = Appender::new(Arc::clone(spool));
    for line in lines {
        appender.write(&mut format!("{line}\n").into_bytes()).unwrap();
    }
}

/// Everything that waits, settled batch by batch.
fn read_all(spool: &Arc<Spool>) -> Vec<String> {
    let mut reader = Reader::new(Arc::clone(spool));
    let mut all = Vec::new();
    let mut block = Vec::new();
    while spool.pending() > 0 {
        match reader.next(NO_PAUSE, &mut block) {
            reader::Next::Lines => {
                let text = String::from_utf8(block.clone()).unwrap();
                let lines: Vec<_> = text.lines().map(str::to_owned).collect();
                reader.settle(lines.len() as u64);
                all.extend(lines);
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{{\"number\":{number}}}")).collect()
}

#[test]
fn lines_come_back_in_order_and_the_folder_is_left_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, found) = Spool::open(dir.path(), 1 << 18).unwrap();
    assert_eq!(found, Found::default());
    let lines = numbered(5_000);
    write(&spool, &lines);
    assert!(segments_in(dir.path()).unwrap().len() > 1, "several segments");
    let mut reader = Reader::new(Arc::clone(&spool));
    let (mut got, mut block) = (Vec::new(), Vec::new());
    while got.len() < lines.len() {
        assert_eq!(reader.next(NO_PAUSE, &mut block), reader::Next::Lines);
        let text = String::from_utf8(block.clone()).unwrap();
        // A third of what was offered is taken; the others come again.
        let taken: Vec<_> = text.lines().take(text.lines().count().div_ceil(3)).map(str::to_owned).collect();
        reader.settle(taken.len() as u64);
        got.extend(taken);
    }
    assert_eq!(got, lines);
    assert_eq!(spool.drain(Duration::from_secs(1), false), 0);
    assert_eq!(reader.next(NO_PAUSE, &mut block), reader::Next::End);
    assert_eq!(segments_in(dir.path()).unwrap(), Vec::<u64>::new());
}

#[test]
fn what_is_not_settled_is_there_the_next_time_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let lines = numbered(3_000);
    let (spool, _) = Spool::open(dir.path(), 1 << 20).unwrap();
    write(&spool, &lines);
    let mut reader = Reader::new(Arc::clone(&spool));
    let mut block = Vec::new();
    reader.next(NO_PAUSE, &mut block);
    reader.settle(1_000);
    assert_eq!(spool.drain(NO_PAUSE, false), 2_000);
    drop((reader, spool));
    let (spool, found) = Spool::open(dir.path(), 1 << 20).unwrap();
    assert_eq!(found, Found { lines: 2_000, damaged_bytes: 0 });
    write(&spool, &["new".to_owned()]);
    let got = read_all(&spool);
    assert_eq!((&got[..2_000], &got[2_000..]), (&lines[1_000..], &["new".to_owned()][..]));
}

#[test]
fn a_full_spool_takes_nothing_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(dir.path(), 0).unwrap();
    let mut appender = Appender::new(Arc::clone(&spool));
    let mut block = (numbered(20_000).join("\n") + "\n").into_bytes();
    let before = block.len();
    let error = appender.write(&mut block).unwrap_err();
    assert!(error.to_string().starts_with("the spool is full ("), "{error}");
    assert!(block.len() < before && spool.lock().bytes() <= LIMIT_MIN);
    let (mut all, mut rounds) = (read_all(&spool), 0);
    while !block.is_empty() {
        let _ = appender.write(&mut block);
        all.extend(read_all(&spool));
        rounds += 1;
        assert!(rounds < 1_000, "no room comes back");
    }
    assert_eq!(all, numbered(20_000), "nothing twice, nothing missing");
    // A line that is longer than everything goes alone.
    appender.write(&mut [vec![b'x'; 3 << 20], vec![b'\n']].concat()).unwrap();
    assert_eq!(read_all(&spool)[0].len(), 3 << 20);
}

#[test]
fn two_do_not_share_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Spool::open(dir.path(), 0).unwrap();
    let said = Spool::open(dir.path(), 0).unwrap_err().to_string();
    assert!(said.contains("another ghostport"), "{said}");
}

#[test]
fn a_position_that_cannot_be_read_costs_duplicates_and_no_line() {
    for text in ["", "1", "x y\n", "1 999999999999\n"] {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(dir.path(), 0).unwrap();
        write(&spool, &numbered(10));
        drop(spool);
        fs::write(dir.path().join("position"), text).unwrap();
        let (spool, found) = Spool::open(dir.path(), 0).unwrap();
        let expected = if text.len() > 9 { 0 } else { 10 };
        assert_eq!(found.lines, expected, "{text:?}");
        write(&spool, &["more".to_owned()]);
        assert_eq!(read_all(&spool).len() as u64, expected + 1);
    }
}

#[derive(Clone, Debug)]
enum Harm {
    /// The end is missing.
    Cut(usize),
    /// Garbage stands behind it.
    Extra(Vec<u8>),
    /// One byte is another.
    Flip(usize, u8),
}

fn harms() -> impl Strategy<Value = Harm> {
    prop_oneof![
        any::<usize>().prop_map(Harm::Cut),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Harm::Extra),
        (any::<usize>(), 1..=255_u8).prop_map(|(at, by)| Harm::Flip(at, by)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Wherever a run was killed, whatever became of the end of its last segment: all whole records before
    /// the damage come back in order, and nothing else does.
    #[test]
    fn whole_records_before_any_damage_come_back(
        lines in prop::collection::vec("[ -~]{0,40}", 1..30),
        settled in 0..30_usize,
        harm in harms(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(dir.path(), 1 << 20).unwrap();
        write(&spool, &lines);
        let mut reader = Reader::new(Arc::clone(&spool));
        reader.next(NO_PAUSE, &mut Vec::new());
        let settled = settled.min(lines.len());
        reader.settle(settled as u64);
        spool.save(&mut spool.lock());
        let path = spool.segment(1);
        drop((reader, spool));

        let mut bytes = fs::read(&path).unwrap();
        let mut ends = vec![MAGIC.len()];
        for line in &lines {
            ends.push(ends[ends.len() - 1] + record::HEADER_BYTES + line.len());
        }
        let harmed_at = match harm {
            Harm::Cut(at) => { let at = at % bytes.len(); bytes.truncate(at); at }
            Harm::Extra(extra) => { let at = bytes.len(); bytes.extend(extra); at }
            Harm::Flip(at, by) => { let at = at % bytes.len(); bytes[at] ^= by; at }
        };
        fs::write(&path, &bytes).unwrap();
        let whole = ends[1..].iter().filter(|&&end| end <= harmed_at && harmed_at >= MAGIC.len()).count();
        let expected = &lines[settled.min(whole)..whole];

        let (spool, found) = Spool::open(dir.path(), 1 << 20).unwrap();
        prop_assert_eq!(found.lines, expected.len() as u64);
        write(&spool, &["after".to_owned()]);
        let got = read_all(&spool);
        prop_assert_eq!(&got[..got.len() - 1], expected);
        prop_assert_eq!(&got[got.len() - 1], "after");
    }
}
