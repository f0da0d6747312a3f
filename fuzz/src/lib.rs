//! What the fuzz targets share: counted memory, seeds, and batches made good again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla::protocol::batch::{BATCH_HEADER_LEN, BATCH_PREFIX_LEN, crc32c};

/// Counts what is allocated, and the most that ever was since [`peak_during`] began.
struct Counting;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grow(bytes: usize) {
    let current = CURRENT.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(current, Ordering::Relaxed);
}

// SAFETY: everything is done by the system's allocator; only sizes are noted beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grow(size);
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Does `work`; answers with its result and the most memory that was in use beyond what was before. Memory is asked
/// for, not touched: a `with_capacity` by a lying count shows here although the kernel never gives a page.
pub fn peak_during<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = CURRENT.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    (result, PEAK.load(Ordering::Relaxed).saturating_sub(before))
}

/// Writes the inputs to begin with into the folder that `FUZZ_SEEDS` names, if it does.
pub fn plant(seeds: impl IntoIterator<Item = (String, Vec<u8>)>) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).expect("the folder of seeds can be made");
    for (name, seed) in seeds {
        std::fs::write(folder.join(name), seed).expect("a seed can be written");
    }
}

/// Gives every batch in `bytes` the checksum it needs, since no fuzzer guesses one; stops at the first length that
/// leads nowhere. With `whole` the last batch's length is made to end where the bytes end.
pub fn mend_batches(bytes: &mut [u8], whole: bool) {
    let mut at = 0;
    while bytes.len() - at >= BATCH_HEADER_LEN {
        let rest = bytes.len() - at;
        let batch = &mut bytes[at..];
        let length = i32::from_be_bytes(batch[8..12].try_into().expect("four bytes"));
        let mut end = usize::try_from(length).map_or(0, |length| BATCH_PREFIX_LEN + length);
        if end < BATCH_HEADER_LEN || end > rest {
            if !whole {
                return;
            }
            end = rest;
            batch[8..12].copy_from_slice(&((end - BATCH_PREFIX_LEN) as i32).to_be_bytes());
        }
        batch[16] = 2;
        let crc = crc32c(&batch[21..end]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        at += end;
    }
}
