#![allow(clippy::unwrap_used)]

use super::*;

fn store(root: &std::path::Path, users: Vec<(ContainerId, Vec<String>)>) -> Store {
    let paths = Paths::new(root.to_owned(), root.join("run"));
    durable::create_dir(&paths.trash()).unwrap();
    Store::open(paths, users).unwrap()
}

fn named(name: &str) -> CreateVolume {
    CreateVolume { name: Some(name.to_owned()), ..CreateVolume::default() }
}

#[test]
fn volumes_are_made_once_kept_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let volumes = store(root.path(), Vec::new());
    let (made, new) = volumes.create(named("data")).unwrap();
    assert!(new && made.mountpoint.is_dir() && !made.is_anonymous());
    let again = CreateVolume { labels: BTreeMap::from([("a".into(), "b".into())]), ..named("data") };
    assert_eq!(volumes.create(again).unwrap(), (made, false));
    let (anonymous, _) = volumes.create(CreateVolume::default()).unwrap();
    assert!(anonymous.is_anonymous() && anonymous.name.len() == 64);
    assert!(volumes.create(named("../x")).is_err() && volumes.is_empty("data").unwrap());
    fs::create_dir(root.path().join("volumes/.tmp-half")).unwrap();
    let volumes = store(root.path(), Vec::new());
    assert_eq!(volumes.list().len(), 2);
    volumes.remove("data").unwrap();
    assert!(matches!(volumes.remove("data"), Err(Error::NotFound(_))));
    assert_eq!(fs::read_dir(root.path().join("volumes")).unwrap().count(), 1);
}

#[test]
fn what_a_container_names_stays() {
    let root = tempfile::tempdir().unwrap();
    let volumes = store(root.path(), Vec::new());
    let id = ContainerId::random();
    assert_eq!(volumes.hold(&id, &["data".to_owned()]), ["data"]);
    volumes.create(named("data")).unwrap();
    let error = volumes.remove("data").unwrap_err().to_string();
    assert_eq!(error, format!("remove data: volume is in use - [{id}]"));
    let volumes = store(root.path(), vec![(id.clone(), vec!["data".to_owned()])]);
    assert!(volumes.remove("data").is_err());
    volumes.release(&id);
    volumes.remove("data").unwrap();
}

#[test]
fn an_intent_takes_away_what_has_no_container() {
    let root = tempfile::tempdir().unwrap();
    let volumes = store(root.path(), Vec::new());
    let (gone, there) = (ContainerId::random(), ContainerId::random());
    for (id, name) in [(&gone, "gone"), (&there, "kept")] {
        volumes.create(named(name)).unwrap();
        volumes.intend(id, vec![name.to_owned()]).unwrap();
    }
    let volumes = store(root.path(), vec![(there, vec!["kept".to_owned()])]);
    assert_eq!(volumes.list().iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["kept"]);
    assert_eq!(fs::read_dir(root.path().join("volumes")).unwrap().count(), 1, "no intent is left");
}
