//! The log in memory, as the engine reads it. The durable one is C++'s; what stands here may not be
//! durable yet.

use std::cell::Cell;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot, SnapshotMetadata};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};

pub fn names(conf: &ConfState, id: u64) -> bool {
    conf.get_voters().contains(&id) || conf.get_learners().contains(&id)
}

/// The most that stays of entries that a snapshot stands for.
pub struct Kept {
    pub entries: u64,
    pub bytes: u64,
}

/// In one message; its receiver takes no more than a multiple of it (wire.rs).
const MOST_ENTRIES: usize = 4096;

#[derive(Default)]
pub struct Mirror {
    hard_state: HardState,
    /// Of the configuration at the start: that of the snapshot the log begins with.
    conf: ConfState,
    /// Of the entry before the first one.
    base: (u64, u64),
    entries: Vec<Entry>,
    offered: Option<Snapshot>,
    wanted: Cell<bool>,
}

impl Mirror {
    pub fn new(hard_state: HardState, meta: SnapshotMetadata, entries: Vec<Entry>) -> Mirror {
        Mirror {
            hard_state,
            conf: meta.get_conf_state().clone(),
            base: (meta.index, meta.term),
            entries,
            ..Default::default()
        }
    }

    fn last(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    pub fn install(&mut self, meta: &SnapshotMetadata) {
        self.base = (meta.index, meta.term);
        self.entries.clear();
        self.offered = None;
    }

    pub fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        assert!(
            first.index > self.base.0,
            "entries that a snapshot covers are not written again"
        );
        assert!(first.index <= self.last() + 1, "entries follow each other");
        self.entries
            .truncate((first.index - self.base.0 - 1) as usize);
        self.entries.extend_from_slice(entries);
    }

    pub fn compact(&mut self, covered: u64, kept: Kept) {
        if covered <= self.base.0 || covered > self.last() {
            return;
        }
        let covered = (covered - self.base.0) as usize;
        let (mut dropped, mut bytes) = (covered, 0);
        while dropped > 0 && ((covered - dropped) as u64) < kept.entries {
            bytes += self.entries[dropped - 1].data.len() as u64;
            if bytes > kept.bytes {
                break;
            }
            dropped -= 1;
        }
        if dropped == 0 {
            return;
        }
        self.base = (self.base.0 + dropped as u64, self.entries[dropped - 1].term);
        self.entries.drain(..dropped);
    }

    pub fn offer(&mut self, snapshot: Snapshot) {
        self.offered = Some(snapshot);
        self.wanted.set(false);
    }

    /// A peer needs a snapshot, and there is none that it would take.
    pub fn wants_snapshot(&self) -> bool {
        self.wanted.get()
    }

    /// Nobody is being sent one.
    pub fn drop_offered(&mut self) {
        self.offered = None;
    }
}

impl Storage for Mirror {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.conf.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        if low <= self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        assert!(
            high <= self.last() + 1,
            "the engine reads only what it handed out"
        );
        let at = |index: u64| (index - self.base.0 - 1) as usize;
        let mut entries = self.entries[at(low)..at(high)].to_vec();
        // Without a limit somebody wants to see all of them.
        let max_size = max_size.into().filter(|size| *size != raft::NO_LIMIT);
        if max_size.is_some() {
            entries.truncate(MOST_ENTRIES);
        }
        raft::util::limit_size(&mut entries, max_size);
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index == self.base.0 {
            return Ok(self.base.1);
        }
        if index < self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        match self.entries.get((index - self.base.0 - 1) as usize) {
            Some(entry) => Ok(entry.term),
            None => Err(Error::Store(StorageError::Unavailable)),
        }
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.base.0 + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.last())
    }

    /// Only one whose configuration names the peer, which would ignore another one without a word,
    /// and which the log goes on from. Otherwise a fresh one is asked for.
    fn snapshot(&self, request_index: u64, to: u64) -> Result<Snapshot> {
        if let Some(snapshot) = &self.offered {
            let meta = snapshot.get_metadata();
            if meta.index >= request_index.max(self.base.0) && names(meta.get_conf_state(), to) {
                return Ok(snapshot.clone());
            }
        }
        self.wanted.set(true);
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
