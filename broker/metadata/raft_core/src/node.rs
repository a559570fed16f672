//! One voter or learner: the engine, and the rules that it leaves to whoever uses it.

use std::collections::VecDeque;

use protobuf::Message as _;
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType, HardState,
    Message, MessageType, Snapshot, SnapshotMetadata,
};
use raft::{Config, RawNode, ReadState, SnapshotStatus, StateRole, Storage};

use crate::check;
use crate::flat::{Reader, Writer};
use crate::mirror::{names, Kept, Mirror};
use crate::wire;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Code {
    Ok = 0,
    NotLeader = 1,
    Dropped = 2,
    Busy = 3,
    Invalid = 4,
    Panicked = 5,
}

/// splitmix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        (z ^ (z >> 31)) % bound
    }
}

pub struct Node {
    raw: RawNode<Mirror>,
    conf: ConfState,
    random: Random,
    election_ticks: u64,
    timeout: usize,
    seen: (u64, StateRole, u64),
    /// Readies that are not durable yet, and the term of each.
    written: VecDeque<(u64, u64)>,
    durable_term: u64,
    /// Of a snapshot that is not durable and applied yet, or 0. Until then the engine must not
    /// campaign: it would look for entries that the snapshot stands for, and break.
    installing: u64,
    /// Nothing can be made durable: it must not ask for votes.
    held: bool,
}

fn conf_of(voters: Vec<u64>, learners: Vec<u64>) -> ConfState {
    let mut conf = ConfState::default();
    conf.set_voters(voters);
    conf.set_learners(learners);
    conf
}

fn read_entries(from: &mut Reader) -> Vec<Entry> {
    (0..from.number())
        .map(|_| {
            let mut entry = Entry::default();
            entry.index = from.number();
            entry.term = from.number();
            if from.number() != 0 {
                entry.set_entry_type(EntryType::EntryConfChangeV2);
            }
            entry.data = from.bytes().to_vec().into();
            entry
        })
        .collect()
}

fn write_entries(to: &mut Writer, entries: &[Entry]) {
    to.number(entries.len() as u64);
    for entry in entries {
        to.number(entry.index);
        to.number(entry.term);
        to.number((entry.get_entry_type() != EntryType::EntryNormal) as u64);
        to.bytes(&entry.data);
    }
}

fn write_messages(to: &mut Writer, messages: &[Message]) {
    to.number(messages.len() as u64);
    for message in messages {
        to.number(message.to);
        to.number((message.get_msg_type() == MessageType::MsgSnapshot) as u64);
        to.bytes(&message.write_to_bytes().expect("a message of ours encodes"));
    }
}

fn latest_confirmed(states: &[ReadState]) -> u64 {
    let number = |state: &ReadState| state.request_ctx[..].try_into().map(u64::from_le_bytes);
    states
        .iter()
        .filter_map(|state| number(state).ok())
        .max()
        .unwrap_or(0)
}

impl Node {
    /// `settings`: id, seed, election and heartbeat ticks, bytes of a message, messages in flight,
    /// uncommitted bytes, hard state, index, term, voters and learners of the start, entries.
    pub fn new(settings: &[u8]) -> raft::Result<Node> {
        let mut from = Reader(settings);
        let mut config = Config::new(from.number());
        let seed = from.number();
        config.election_tick = from.number() as usize;
        config.heartbeat_tick = from.number() as usize;
        config.max_size_per_msg = from.number();
        config.max_inflight_msgs = from.number() as usize;
        config.max_uncommitted_size = from.number();
        config.max_committed_size_per_ready = config.max_size_per_msg;
        config.check_quorum = true;
        config.pre_vote = true;
        let mut hard_state = HardState::default();
        hard_state.term = from.number();
        hard_state.vote = from.number();
        hard_state.commit = from.number();
        let mut meta = SnapshotMetadata::default();
        meta.index = from.number();
        meta.term = from.number();
        let voters = from.numbers();
        let conf = conf_of(voters, from.numbers());
        meta.set_conf_state(conf.clone());
        config.applied = meta.index;
        let durable_term = hard_state.term;
        let mirror = Mirror::new(hard_state, meta, read_entries(&mut from));
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let mut node = Node {
            raw: RawNode::new(&config, mirror, &logger)?,
            conf,
            random: Random(seed),
            election_ticks: config.election_tick as u64,
            timeout: 0,
            seen: (0, StateRole::Follower, 0),
            written: VecDeque::new(),
            durable_term,
            installing: 0,
            held: false,
        };
        node.after_call(true);
        Ok(node)
    }

    /// The engine draws election timeouts from a generator of its own: they are overwritten, so
    /// that the same seed gives the same run.
    pub fn after_call(&mut self, anew: bool) {
        let raft = &mut self.raw.raft;
        let now = (raft.term, raft.state, raft.leader_id);
        if anew || now != self.seen {
            self.seen = now;
            self.timeout = (self.election_ticks + self.random.below(self.election_ticks)) as usize;
        }
        raft.set_randomized_election_timeout(self.timeout);
    }

    fn leads(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    pub fn tick(&mut self) -> Code {
        if self.installing != 0 {
            return Code::Ok;
        }
        if self.held && !self.leads() {
            // Its votes for others are worth something: the time of their leader passes here, too.
            self.raw.raft.election_elapsed += 1;
            return Code::Ok;
        }
        self.raw.tick();
        // A campaign that came to nothing is followed by one after another time.
        let campaigned = !self.leads() && self.raw.raft.election_elapsed == 0;
        self.after_call(campaigned);
        Code::Ok
    }

    pub fn hold(&mut self, held: bool) -> Code {
        self.held = held;
        Code::Ok
    }

    pub fn campaign(&mut self) -> Code {
        if self.installing != 0 || self.held {
            return Code::Dropped;
        }
        match self.raw.campaign() {
            Ok(()) => Code::Ok,
            Err(_) => Code::Dropped,
        }
    }

    pub fn step(&mut self, from: u64, bytes: &[u8]) -> Code {
        let mut message = Message::default();
        if !wire::may_be_message(bytes) || message.merge_from_bytes(bytes).is_err() {
            return Code::Invalid;
        }
        if message.from != from || !check::makes_sense(&self.raw.raft, &message) {
            return Code::Invalid;
        }
        // An election now would look for what is not there yet, or could not be made durable.
        let elects = message.get_msg_type() == MessageType::MsgTimeoutNow;
        if elects && (self.held || self.installing != 0) {
            return Code::Dropped;
        }
        match self.raw.step(message) {
            Ok(()) => Code::Ok,
            Err(_) => Code::Dropped,
        }
    }

    /// What the engine drops or forwards without a word gets a code here.
    fn refusal(&self) -> Option<Code> {
        if !self.leads() {
            return Some(Code::NotLeader);
        }
        self.raw.raft.lead_transferee.map(|_| Code::Busy)
    }

    fn place_of_last(&self) -> (u64, u64) {
        (self.raw.raft.raft_log.last_index(), self.raw.raft.term)
    }

    pub fn propose(&mut self, data: &[u8]) -> (Code, (u64, u64)) {
        if let Some(code) = self.refusal() {
            return (code, (0, 0));
        }
        if data.is_empty() {
            return (Code::Invalid, (0, 0));
        }
        match self.raw.propose(Vec::new(), data.to_vec()) {
            Ok(()) => (Code::Ok, self.place_of_last()),
            Err(_) => (Code::Busy, (0, 0)),
        }
    }

    /// Kinds: 0 a voter, 1 a learner, 2 neither.
    pub fn propose_change(&mut self, kind: u64, id: u64) -> (Code, (u64, u64)) {
        if let Some(code) = self.refusal() {
            return (code, (0, 0));
        }
        if self.raw.raft.has_pending_conf() {
            return (Code::Busy, (0, 0));
        }
        let demotes = kind == 1 && self.conf.get_voters().contains(&id);
        let removes_leader = kind == 2 && id == self.raw.raft.id;
        if id == 0 || kind > 2 || demotes || removes_leader {
            return (Code::Invalid, (0, 0));
        }
        let mut single = ConfChangeSingle::default();
        single.set_change_type(match kind {
            0 => ConfChangeType::AddNode,
            1 => ConfChangeType::AddLearnerNode,
            _ => ConfChangeType::RemoveNode,
        });
        single.node_id = id;
        let mut change = ConfChangeV2::default();
        change.set_changes(vec![single].into());
        match self.raw.propose_conf_change(Vec::new(), change) {
            Ok(()) => (Code::Ok, self.place_of_last()),
            Err(_) => (Code::Busy, (0, 0)),
        }
    }

    pub fn transfer(&mut self, to: u64) -> Code {
        if !self.leads() {
            return Code::NotLeader;
        }
        if to == self.raw.raft.id || !self.conf.get_voters().contains(&to) {
            return Code::Invalid;
        }
        self.raw.transfer_leader(to);
        Code::Ok
    }

    /// One at a time of each number; without an entry of its term a leader lets it go.
    pub fn confirm(&mut self, number: u64) -> Code {
        if !self.leads() {
            return Code::NotLeader;
        }
        self.raw.read_index(number.to_le_bytes().to_vec());
        Code::Ok
    }

    pub fn report_unreachable(&mut self, id: u64) -> Code {
        self.raw.report_unreachable(id);
        Code::Ok
    }

    pub fn report_snapshot(&mut self, id: u64, arrived: bool) -> Code {
        let status = if arrived {
            SnapshotStatus::Finish
        } else {
            SnapshotStatus::Failure
        };
        self.raw.report_snapshot(id, status);
        Code::Ok
    }

    /// Appends nothing when there is nothing to do. Otherwise: number, flags (1 must sync, 2 hard
    /// state, 4 snapshot), those two, entries, messages for now, messages for after it is durable,
    /// committed entries, the latest number that is confirmed or 0.
    pub fn ready(&mut self, out: &mut Writer) -> Code {
        if !self.raw.has_ready() {
            return Code::Ok;
        }
        let mut ready = self.raw.ready();
        let hard_state = ready.hs().cloned();
        let has_snapshot = !ready.snapshot().is_empty();
        out.number(ready.number());
        out.number(
            ready.must_sync() as u64
                | (hard_state.is_some() as u64) << 1
                | (has_snapshot as u64) << 2,
        );
        if let Some(state) = &hard_state {
            out.number(state.term);
            out.number(state.vote);
            out.number(state.commit);
        }
        if has_snapshot {
            let meta = ready.snapshot().get_metadata();
            out.number(meta.index);
            out.number(meta.term);
            out.numbers(meta.get_conf_state().get_voters());
            out.numbers(meta.get_conf_state().get_learners());
            out.bytes(ready.snapshot().get_data());
            self.conf = meta.get_conf_state().clone();
            let meta = meta.clone();
            self.installing = meta.index;
            self.raw.mut_store().install(&meta);
        }
        write_entries(out, ready.entries());
        self.raw.mut_store().append(ready.entries());
        let mut now = ready.take_messages();
        let mut after = ready.take_persisted_messages();
        let term = self.raw.raft.term;
        if term != self.durable_term {
            // The only voter leads before its vote is durable: were that lost, the same term would
            // come again with other entries, and learners would have both.
            after.append(&mut now);
        } else {
            // These promise nothing; held back by a slow disk they would cost the leader its quorum.
            let answers =
                |message: &Message| message.get_msg_type() == MessageType::MsgHeartbeatResponse;
            now.extend(after.iter().filter(|message| answers(message)).cloned());
            after.retain(|message| !answers(message));
        }
        write_messages(out, &now);
        write_messages(out, &after);
        write_entries(out, ready.committed_entries());
        out.number(latest_confirmed(&ready.take_read_states()));
        self.written.push_back((ready.number(), term));
        self.raw.advance_append_async(ready);
        Code::Ok
    }

    pub fn persisted(&mut self, number: u64) -> Code {
        while let Some((written, term)) = self.written.front().copied() {
            if written > number {
                break;
            }
            self.durable_term = term;
            self.written.pop_front();
        }
        self.raw.on_persist_ready(number);
        Code::Ok
    }

    pub fn apply_change(&mut self, data: &[u8]) -> Code {
        let mut change = ConfChangeV2::default();
        if change.merge_from_bytes(data).is_err() {
            return Code::Invalid;
        }
        match self.raw.apply_conf_change(&change) {
            Ok(conf) => self.conf = conf,
            Err(_) => return Code::Invalid,
        }
        // The engine would go on leading a group that it does not belong to, and break.
        let raft = &mut self.raw.raft;
        if raft.state == StateRole::Leader && !self.conf.get_voters().contains(&raft.id) {
            let term = raft.term;
            raft.become_follower(term, raft::INVALID_ID);
        }
        Code::Ok
    }

    pub fn applied(&mut self, index: u64) -> Code {
        if index >= self.installing {
            self.installing = 0;
        }
        self.raw.advance_apply_to(index);
        Code::Ok
    }

    /// `data` is the state after that entry, since which the configuration did not change. What is
    /// no longer in the log, or not applied, cannot be gone on from.
    pub fn offer_snapshot(&mut self, index: u64, data: &[u8]) -> Code {
        if index > self.raw.raft.raft_log.applied {
            return Code::Invalid;
        }
        let Ok(term) = self.raw.store().term(index) else {
            return Code::Invalid;
        };
        let mut snapshot = Snapshot::default();
        snapshot.mut_metadata().index = index;
        snapshot.mut_metadata().term = term;
        snapshot.mut_metadata().set_conf_state(self.conf.clone());
        snapshot.data = data.to_vec().into();
        self.raw.mut_store().offer(snapshot);
        Code::Ok
    }

    /// A snapshot stands for everything up to `covered`; of that so much stays for followers that
    /// lag a little.
    pub fn compact(&mut self, covered: u64, entries: u64, bytes: u64) -> Code {
        if covered > self.raw.raft.raft_log.applied {
            return Code::Invalid;
        }
        let kept = Kept { entries, bytes };
        self.raw.mut_store().compact(covered, kept);
        self.raw.mut_store().drop_offered();
        Code::Ok
    }

    /// Term, leader, whether it leads, commit, applied, last index, whether a snapshot is
    /// wanted, voters, learners, and of each peer of a leader its id and what it has.
    pub fn status(&self, out: &mut Writer) -> Code {
        let raft = &self.raw.raft;
        out.number(raft.term);
        out.number(raft.leader_id);
        out.number(self.leads() as u64);
        out.number(raft.raft_log.committed);
        out.number(raft.raft_log.applied);
        out.number(raft.raft_log.last_index());
        out.number(self.raw.store().wants_snapshot() as u64);
        out.numbers(self.conf.get_voters());
        out.numbers(self.conf.get_learners());
        let mut peers: Vec<(u64, u64)> = Vec::new();
        if self.leads() {
            peers.extend(
                raft.prs()
                    .iter()
                    .map(|(id, progress)| (*id, progress.matched)),
            );
            peers.retain(|(id, _)| names(&self.conf, *id));
            peers.sort_unstable();
        }
        out.number(peers.len() as u64);
        for (id, matched) in peers {
            out.number(id);
            out.number(matched);
        }
        Code::Ok
    }
}
