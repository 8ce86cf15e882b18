use std::path::PathBuf;

use super::*;

/// A directory of this test, removed with it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("orgate-{name}-{}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn settings(&self) -> FileSettings {
        FileSettings::new(self.0.join("changes"))
    }

    fn open(&self) -> (Store, Reading) {
        Store::open(self.settings()).unwrap()
    }

    fn rows(&self) -> Vec<(String, u64)> {
        let mut rows: Vec<_> = self.open().1.rows.0.into_iter().map(|(key, rank)| (key.into(), rank)).collect();
        rows.sort();
        rows
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn line(rank: u64, key: &str) -> Vec<u8> {
    let mut text = String::new();
    line::write(&mut text, rank, key);
    text.into()
}

fn row(key: &str, rank: u64) -> (String, u64) {
    (key.to_owned(), rank)
}

#[test]
fn process_killed_at_any_byte_of_a_write_loses_that_write_only() {
    let directory = Directory::new("cut");
    let path = directory.settings().path;
    let (mut store, _) = directory.open();
    store.append(&line(2, "a")).unwrap();
    let kept = usize::try_from(store.end).unwrap();
    store.append(&[line(4, "b"), line(6, "a")].concat()).unwrap();
    drop(store);
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut store, reading) = directory.open();
        assert!(cut < kept || reading.rows.0["a"] >= 2, "cut at {cut}");
        assert_eq!(reading.rows.0.contains_key("b"), cut >= kept + line(4, "b").len(), "cut at {cut}");
        // It goes on after a repair.
        store.append(&line(8, "c")).unwrap();
        drop(store);
        let (_, again) = directory.open();
        assert_eq!((again.tail, again.damaged, again.rows.0["c"]), (0, 0, 8), "cut at {cut}");
        assert_eq!(again.rows.0.len(), reading.rows.0.len() + 1);
    }
}

#[test]
fn damaged_middle_is_left_out_and_the_file_is_kept_beside() {
    let directory = Directory::new("damaged");
    let settings = directory.settings();
    let (mut store, _) = directory.open();
    (1..4).for_each(|rank| store.append(&line(rank, &format!("k{rank}"))).unwrap());
    drop(store);
    let mut bytes = fs::read(&settings.path).unwrap();
    let middle = HEADER.len() + line(1, "k1").len() + 3;
    bytes[middle] ^= 1;
    fs::write(&settings.path, &bytes).unwrap();
    assert_eq!(directory.open().1.damaged, 1);
    assert_eq!(fs::read(settings.beside(".damaged")).unwrap(), bytes);
    assert_eq!(directory.rows(), [row("k1", 1), row("k3", 3)]);
}

#[test]
fn damage_that_rewriting_finds_is_kept_beside_too() {
    let directory = Directory::new("rotten");
    let settings = directory.settings();
    let (mut store, _) = directory.open();
    let text = "k".repeat(usize::try_from(WORTH_REWRITING).unwrap());
    (1..4).for_each(|rank| store.append(&line(rank, &format!("{text}{rank}"))).unwrap());
    let mut bytes = fs::read(&settings.path).unwrap();
    bytes[HEADER.len() + 30] ^= 1;
    fs::write(&settings.path, &bytes).unwrap();
    store.compact(Horizon { now: std::time::Duration::ZERO, token_life: std::time::Duration::MAX }).unwrap();
    assert_eq!(fs::read(settings.beside(".damaged")).unwrap(), bytes);
    drop(store);
    assert_eq!(directory.rows().len(), 2);
}

#[test]
fn second_opening_is_rejected_until_the_first_ends() {
    let directory = Directory::new("lock");
    let (store, _) = directory.open();
    let refused = Store::open(directory.settings()).err().unwrap();
    assert_eq!(refused.to_string(), "another process has it open");
    drop(store);
    directory.open();
}

#[test]
fn file_of_something_else_is_not_touched() {
    let directory = Directory::new("other");
    let path = directory.settings().path;
    fs::write(&path, "root:x:0:0\n").unwrap();
    assert!(Store::open(directory.settings()).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "root:x:0:0\n");
}

#[test]
fn rewriting_keeps_every_fact_and_shrinks_the_file() {
    let directory = Directory::new("rewritten");
    let (mut store, _) = directory.open();
    let horizon = Horizon { now: std::time::Duration::ZERO, token_life: std::time::Duration::MAX };
    let mut longest = 0;
    for round in 0..40_u64 {
        let batch: Vec<u8> =
            (0..1000).flat_map(|id| line(2 * round + 1, &format!(r#"["i","subject","{id}"]"#))).collect();
        store.append(&batch).unwrap();
        store.compact(horizon).unwrap();
        longest = longest.max(store.end);
    }
    drop(store);
    assert!(longest < 3 * WORTH_REWRITING, "{longest}");
    let rows = directory.rows();
    assert_eq!((rows.len(), rows.iter().all(|(_, rank)| *rank == 79)), (1000, true));
    assert!(!directory.settings().beside(".new").exists());
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = Directory::new("mode");
    directory.open();
    assert_eq!(fs::metadata(directory.settings().path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn process_killed_while_the_file_is_rewritten_leaves_the_old_one_or_the_new_one() {
    let directory = Directory::new("rewriting");
    let settings = directory.settings();
    let (mut store, mut reading) = directory.open();
    for rank in 1..20 {
        store.append(&line(rank, &format!("k{}", rank % 3))).unwrap();
    }
    drop(store);
    let old = fs::read(&settings.path).unwrap();
    let expected = directory.rows();
    (store, reading) = {
        drop(reading);
        directory.open()
    };
    store.rewrite(&mut reading, None).unwrap();
    drop(store);
    let new = fs::read(&settings.path).unwrap();
    assert!(new.len() < old.len());
    // Killed before it was put in place, at any byte of it; and just afterwards.
    for cut in 0..=new.len() {
        fs::write(&settings.path, &old).unwrap();
        fs::write(settings.beside(".new"), &new[..cut]).unwrap();
        assert_eq!(directory.rows(), expected, "cut at {cut}");
    }
    fs::write(&settings.path, &new).unwrap();
    let (mut store, reading) = directory.open();
    assert_eq!((reading.tail, reading.damaged), (0, 0));
    store.append(&line(99, "later")).unwrap();
    drop(store);
    assert_eq!(directory.rows().len(), expected.len() + 1);
    // What was left behind does no harm.
    fs::write(settings.beside(".new"), "half of it").unwrap();
    let (mut store, mut reading) = directory.open();
    store.rewrite(&mut reading, None).unwrap();
    assert!(!settings.beside(".new").exists());
}

/// Takes what is written, and cannot be forced to any disk.
#[cfg(target_os = "linux")]
fn unsyncable() -> File {
    OpenOptions::new().read(true).write(true).open("/dev/null").unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn batch_counts_as_kept_once_it_is_on_the_disk_unless_the_operator_wants_less() {
    for (number, sync, is_kept) in [
        (0, FileSync::EachBatch, false),
        (1, FileSync::Every(std::time::Duration::from_secs(1)), true),
        (2, FileSync::Never, true),
    ] {
        let directory = Directory::new(&format!("synced-{number}"));
        let (mut store, _) = Store::open(directory.settings().sync(sync)).unwrap();
        store.file = unsyncable();
        assert_eq!(store.append(&line(2, "a")).is_ok(), is_kept, "{sync:?}");
        assert_eq!(store.sync().is_ok(), sync == FileSync::Never || sync == FileSync::EachBatch, "{sync:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn file_that_could_not_be_forced_to_the_disk_is_written_anew() {
    let directory = Directory::new("doubtful");
    let horizon = Horizon { now: std::time::Duration::ZERO, token_life: std::time::Duration::MAX };
    let (mut store, _) = directory.open();
    (1..4).for_each(|rank| store.append(&line(rank, "k")).unwrap());
    let before = store.end;
    store.compact(horizon).unwrap();
    assert_eq!(store.end, before, "it is short, and on the disk");
    let file = std::mem::replace(&mut store.file, unsyncable());
    store.is_unsynced = true;
    assert!(store.sync().is_err());
    store.file = file;
    store.compact(horizon).unwrap();
    assert!(store.end < before);
    drop(store);
    assert_eq!(directory.rows(), [row("k", 3)]);
}

#[cfg(unix)]
#[test]
fn second_opening_by_another_name_is_rejected_and_the_name_stays_a_link() {
    let directory = Directory::new("link");
    let link = FileSettings::new(directory.0.join("link"));
    let (mut store, mut reading) = directory.open();
    std::os::unix::fs::symlink(&store.settings.path, &link.path).unwrap();
    assert_eq!(Store::open(link.clone()).err().unwrap().to_string(), "another process has it open");
    store.append(&line(2, "a")).unwrap();
    store.rewrite(&mut reading, None).unwrap();
    drop(store);
    let (mut store, mut reading) = Store::open(link.clone()).unwrap();
    store.append(&line(4, "b")).unwrap();
    reading.rows.0.insert("b".into(), 4);
    store.rewrite(&mut reading, None).unwrap();
    drop(store);
    assert!(link.path.is_symlink());
    assert_eq!(directory.rows(), [row("b", 4)]);
}
