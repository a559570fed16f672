//! The C interface (raft_core.h says what each call means). A panic ends at this boundary and
//! spoils the handle: every later call fails.

mod check;
mod flat;
mod mirror;
mod node;
mod wire;

use std::any::Any;
use std::ffi::{c_char, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::slice;

use flat::Writer;
use node::{Code, Node};

pub struct Handle {
    node: Option<Node>,
    out: Vec<u8>,
    broken: bool,
    error: CString,
}

fn text_of(panic: &(dyn Any + Send)) -> CString {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text.to_string(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without words".to_string(),
    };
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

impl Handle {
    fn run(&mut self, call: impl FnOnce(&mut Handle) -> Code) -> i32 {
        if self.broken {
            return Code::Panicked as i32;
        }
        match catch_unwind(AssertUnwindSafe(|| call(self))) {
            Ok(code) => code as i32,
            Err(panic) => {
                self.broken = true;
                self.error = text_of(&*panic);
                Code::Panicked as i32
            }
        }
    }

    /// A call that may change the engine.
    fn change(&mut self, call: impl FnOnce(&mut Node) -> Code) -> i32 {
        self.run(|handle| {
            let node = handle.node.as_mut().expect("made by new");
            let code = call(node);
            node.after_call(false);
            code
        })
    }
}

/// # Safety
/// `bytes` points to `length` readable bytes, or `length` is 0.
unsafe fn view<'a>(bytes: *const u8, length: usize) -> &'a [u8] {
    if length == 0 {
        &[]
    } else {
        slice::from_raw_parts(bytes, length)
    }
}

/// # Safety
/// As view(). Never null; broken when the settings make no sense.
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_new(settings: *const u8, length: usize) -> *mut Handle {
    let mut handle = Box::new(Handle {
        node: None,
        out: Vec::new(),
        broken: false,
        error: CString::default(),
    });
    let settings = view(settings, length);
    handle.run(|handle| {
        handle.node = Some(Node::new(settings).unwrap_or_else(|error| panic!("{}", error)));
        Code::Ok
    });
    Box::into_raw(handle)
}

/// # Safety
/// `handle` came from new and is not used again.
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_free(handle: *mut Handle) {
    let handle = Box::from_raw(handle);
    let _ = catch_unwind(AssertUnwindSafe(|| drop(handle)));
}

/// # Safety
/// `handle` came from new. The text lives until the next call.
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_error(handle: *const Handle) -> *const c_char {
    (*handle).error.as_ptr()
}

macro_rules! simple_calls {
    ($($name:ident => $method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        /// # Safety
        /// `handle` came from new.
        #[no_mangle]
        pub unsafe extern "C" fn $name(handle: *mut Handle $(, $argument: $kind)*) -> i32 {
            (*handle).change(|node| node.$method($($argument),*))
        }
    )*};
}

simple_calls! {
    sluice_raft_tick => tick();
    sluice_raft_hold => hold(held: bool);
    sluice_raft_campaign => campaign();
    sluice_raft_transfer => transfer(to: u64);
    sluice_raft_confirm => confirm(number: u64);
    sluice_raft_report_unreachable => report_unreachable(id: u64);
    sluice_raft_report_snapshot => report_snapshot(id: u64, arrived: bool);
    sluice_raft_persisted => persisted(number: u64);
    sluice_raft_applied => applied(index: u64);
    sluice_raft_compact => compact(covered: u64, entries: u64, bytes: u64);
}

/// # Safety
/// `handle` came from new; `bytes` as for view().
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_step(
    handle: *mut Handle,
    from: u64,
    bytes: *const u8,
    length: usize,
) -> i32 {
    let bytes = view(bytes, length);
    (*handle).change(|node| node.step(from, bytes))
}

/// # Safety
/// `handle` came from new; `bytes` as for view(); `place` has room for index and term.
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_propose(
    handle: *mut Handle,
    bytes: *const u8,
    length: usize,
    place: *mut u64,
) -> i32 {
    let bytes = view(bytes, length);
    let place = slice::from_raw_parts_mut(place, 2);
    (*handle).change(|node| {
        let (code, (index, term)) = node.propose(bytes);
        place.copy_from_slice(&[index, term]);
        code
    })
}

/// # Safety
/// `handle` came from new; `place` has room for index and term.
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_propose_change(
    handle: *mut Handle,
    kind: u64,
    id: u64,
    place: *mut u64,
) -> i32 {
    let place = slice::from_raw_parts_mut(place, 2);
    (*handle).change(|node| {
        let (code, (index, term)) = node.propose_change(kind, id);
        place.copy_from_slice(&[index, term]);
        code
    })
}

/// # Safety
/// `handle` came from new; `bytes` as for view().
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_apply_change(
    handle: *mut Handle,
    bytes: *const u8,
    length: usize,
) -> i32 {
    let bytes = view(bytes, length);
    (*handle).change(|node| node.apply_change(bytes))
}

/// # Safety
/// `handle` came from new; `bytes` as for view().
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_offer_snapshot(
    handle: *mut Handle,
    index: u64,
    bytes: *const u8,
    length: usize,
) -> i32 {
    let bytes = view(bytes, length);
    (*handle).change(|node| node.offer_snapshot(index, bytes))
}

unsafe fn answer(
    handle: *mut Handle,
    bytes: *mut *const u8,
    length: *mut usize,
    call: impl FnOnce(&mut Node, &mut Writer) -> Code,
) -> i32 {
    let mut out = Writer::default();
    let code = (*handle).change(|node| call(node, &mut out));
    (*handle).out = out.0;
    *bytes = (*handle).out.as_ptr();
    *length = (*handle).out.len();
    code
}

/// # Safety
/// `handle` came from new; the bytes live until the next call.
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_ready(
    handle: *mut Handle,
    bytes: *mut *const u8,
    length: *mut usize,
) -> i32 {
    answer(handle, bytes, length, |node, out| node.ready(out))
}

/// # Safety
/// `handle` came from new; the bytes live until the next call.
#[no_mangle]
pub unsafe extern "C" fn sluice_raft_status(
    handle: *mut Handle,
    bytes: *mut *const u8,
    length: *mut usize,
) -> i32 {
    answer(handle, bytes, length, |node, out| node.status(out))
}
