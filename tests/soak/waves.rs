//! A thousand containers in ten waves of a hundred, in the default network and in one with names and published ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use harness::{Api, Darsena, Suite, anonymous, held, own_threads, slate, wait::eventually};

use crate::crowd::{Crowd, MANY, Member, NETWORK, asking};

const ASKED: [&str; 2] = ["/_ping", "/v1.48/containers/json?all=1"];
const WAVES: usize = 10;
/// What is made once and kept, as pools are, is there after this many.
const SETTLED: usize = 2;
/// The journal of past events, 4096 of some hundred bytes to a KiB each, is full after this many: memory is compared from
/// here on.
const FULL: usize = 6;
/// What the server may have more of after the last wave than after the sixth: 30 KiB for each container between them,
/// somewhat more than one costs in memory while it is there. What grows without being lost are the allocator's arenas, as
/// many as eight a core, which come to the size that the worst moment asks of each. Seen over thirty waves: 8 to 11 MiB
/// from the second to the tenth, 2 MiB to the twentieth, half a MiB to the thirtieth.
const GROWTH: u64 = 12 << 20;

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("a_hundred_start_at_once_and_keep_nobody_waiting", hundred)
        .test("a_thousand_come_and_go_and_leave_nothing", thousand)
}

fn with_network(darsena: &Darsena, act: impl FnOnce()) {
    // A connection of its own each time: one that idles for a minute is closed.
    let api = || Api::connect(&darsena.socket());
    let network = format!(r#"{{"Name":"{NETWORK}","IPAM":{{"Config":[{{"Subnet":"10.94.0.0/16"}}]}}}}"#);
    api().call("POST", "/v1.48/networks/create", &network);
    act();
    api().call("DELETE", &format!("/v1.48/networks/{NETWORK}"), "");
}

/// What others ask while all of them start is answered before they have: it doesn't stand behind them.
fn hundred(darsena: &mut Darsena) {
    let darsena = &*darsena;
    with_network(darsena, || {
        let mut crowd = Crowd::gather(darsena);
        crowd.all(Member::create);
        let ([slowest, _], asked) = asking(darsena, &ASKED, || crowd.all(Member::start));
        println!("start of {MANY} at once: {slowest:.2?}; meanwhile [answers, longest]: {asked:.2?}");
        assert!(asked.iter().all(|(answered, _)| *answered > 0), "{asked:?}");
        crowd.addresses();
        crowd.all(Member::end);
        crowd.all(Member::remove);
    });
}

/// One hundred from created to removed; gives what the slowest of each step and all together took.
fn wave(darsena: &Darsena) -> Vec<[Duration; 2]> {
    let mut crowd = Crowd::gather(darsena);
    let mut took = vec![crowd.all(Member::create), crowd.all(Member::start)];
    let addresses = crowd.addresses();
    let different: BTreeSet<&String> = addresses.iter().filter(|address| !address.is_empty()).collect();
    // Who has ended has no address any more, and another may have got it.
    assert!(different.len() >= MANY * 4 / 5, "an address each: {addresses:?}");
    took.extend([crowd.all(Member::end), crowd.all(Member::remove)]);
    drop(crowd);
    eventually("nothing of the wave is left", || slate::leftovers(darsena.space()).is_empty().then_some(()));
    took
}

/// What is held once that doesn't change any more: connections that end are closed a moment later.
fn settled(darsena: &Darsena) -> BTreeMap<&'static str, usize> {
    let (mut last, mut same) = (held(darsena), 0);
    eventually("counts that stay as they are", || {
        let now = held(darsena);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same > 20).then(|| last.clone())
    })
}

fn thousand(darsena: &mut Darsena) {
    let darsena = &*darsena;
    with_network(darsena, || waves(darsena));
}

fn waves(darsena: &Darsena) {
    let mut waves = 1..=WAVES;
    let mut some = |most: usize| {
        for number in waves.by_ref().take(most) {
            let took = wave(darsena);
            let memory = anonymous(darsena.pid()) >> 10;
            println!("wave {number}: create, start, end, remove [slowest, all] {took:.2?}; server has {memory} KiB");
        }
    };
    let mut ask_meanwhile = |most| {
        let ((), asked) = asking(darsena, &ASKED, || some(most));
        println!("meanwhile [answers, longest]: {asked:.2?}");
        assert!(asked.iter().all(|(answered, _)| *answered > 0), "{asked:?}");
    };
    ask_meanwhile(SETTLED);
    let (kept, threads) = (settled(darsena), own_threads(darsena));
    ask_meanwhile(FULL - SETTLED);
    let memory = anonymous(darsena.pid());
    ask_meanwhile(WAVES - FULL);
    let now = settled(darsena);
    let more: Vec<_> = now.iter().filter(|(name, count)| **count > kept[*name]).collect();
    assert!(more.is_empty(), "more than after wave {SETTLED}: {more:?}; then: {kept:?}");
    eventually("no thread that was not there", || (own_threads(darsena) == threads).then_some(()));
    let grown = anonymous(darsena.pid()).saturating_sub(memory);
    assert!(grown < GROWTH, "the server grew by {} KiB in {} waves", grown >> 10, WAVES - FULL);
}
