//! What a peer can say at all. The engine believes its peers, and breaks when one says what no log
//! like ours can lead to: such a message counts as lost.

use std::collections::HashSet;

use protobuf::Message as _;
use raft::eraftpb::{ConfChangeV2, ConfState, Entry, EntryType, Message, MessageType};
use raft::{Raft, StateRole, Storage};

/// No group holds so many elections while a member is away; near the end of the numbers a term would
/// wrap.
const MOST_TERMS_AHEAD: u64 = 1 << 32;
const MOST_MEMBERS: usize = 1000;

pub fn makes_sense<T: Storage>(raft: &Raft<T>, message: &Message) -> bool {
    let known = message.to == raft.id && message.from != 0 && message.request_snapshot == 0;
    if !known || message.term == 0 || message.term > raft.term.saturating_add(MOST_TERMS_AHEAD) {
        return false;
    }
    let last = raft.raft_log.last_index();
    // What is of an older term is not looked at by the engine.
    let counts = message.term >= raft.term;
    use MessageType::*;
    match message.get_msg_type() {
        MsgAppend => !counts || append(raft, message),
        MsgHeartbeat => !counts || message.commit <= last,
        MsgSnapshot => snapshot(message),
        MsgAppendResponse => {
            // A leader's log never shrinks, and nobody has more of it.
            let ours = message.term == raft.term && raft.state == StateRole::Leader;
            !ours || message.index <= last && message.reject_hint <= last
        }
        // It was asked for after all was durable.
        MsgRequestVoteResponse => !counts || raft.raft_log.persisted == last,
        // Proposals and the like have ways of their own, on which their fate is known.
        MsgHeartbeatResponse
        | MsgTimeoutNow
        | MsgRequestVote
        | MsgRequestPreVote
        | MsgRequestPreVoteResponse => true,
        _ => false,
    }
}

fn append<T: Storage>(raft: &Raft<T>, message: &Message) -> bool {
    let log = &raft.raft_log;
    if (message.index == 0) != (message.log_term == 0) || message.log_term > message.term {
        return false;
    }
    // Behind what is committed here the leader's log has no older terms.
    if message.index >= log.committed && message.log_term < log.term(log.committed).unwrap_or(0) {
        return false;
    }
    let mut before = (message.index, message.log_term);
    message.entries.iter().all(|entry| {
        let follows = Some(entry.index) == before.0.checked_add(1)
            && (before.1.max(1)..=message.term).contains(&entry.term);
        before = (entry.index, entry.term);
        follows && is_ours(entry)
    })
}

fn is_ours(entry: &Entry) -> bool {
    match entry.get_entry_type() {
        EntryType::EntryNormal => true,
        EntryType::EntryConfChange => false,
        EntryType::EntryConfChangeV2 => ConfChangeV2::default()
            .merge_from_bytes(&entry.data)
            .is_ok(),
    }
}

fn snapshot(message: &Message) -> bool {
    let meta = message.get_snapshot().get_metadata();
    let in_term = (1..=message.term).contains(&meta.term);
    meta.index != 0 && in_term && message.entries.is_empty() && is_simple(meta.get_conf_state())
}

/// Each member once, and no change half made: there are none in our groups.
fn is_simple(conf: &ConfState) -> bool {
    let count = conf.get_voters().len() + conf.get_learners().len();
    let half_made = !conf.get_voters_outgoing().is_empty() || !conf.get_learners_next().is_empty();
    if conf.get_voters().is_empty() || count > MOST_MEMBERS || half_made || conf.auto_leave {
        return false;
    }
    let members = conf.get_voters().iter().chain(conf.get_learners());
    let distinct: HashSet<u64> = members.copied().filter(|id| *id != 0).collect();
    distinct.len() == count
}
