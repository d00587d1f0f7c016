//! Tests of the columns.

use proptest::prelude::*;

use super::select::MomentColumn;
use super::*;
use crate::bits::Bits;

fn picture(number: u32) -> PictureEntry {
    PictureEntry {
        id: u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        object: u64::from(number / 2),
        content: u64::from(number / 3),
        key: format!("album-{:02}/{number}.jpg", number % 23),
        format: ["jpeg", "png", "webp"][number as usize % 3].to_owned(),
        modified: (!number.is_multiple_of(4)).then(|| i64::from(number) * 3),
        written: i64::from(number),
        taken: (!number.is_multiple_of(5)).then(|| i64::from(number * 7 % 1000)),
        width: number % 50,
        height: number % 40,
        size: u64::from(number),
        place: (!number.is_multiple_of(6))
            .then(|| (f64::from(number % 90), f64::from(number % 180))),
        record: u64::from(number) * 100,
    }
}

fn pictures(count: u32) -> (Vec<PictureEntry>, Pictures) {
    let all: Vec<PictureEntry> = (0..count).map(picture).collect();
    // In steps, as they come.
    let known = all.chunks(777).fold(Pictures::default(), |known, some| known.with(some));
    (all, known)
}

fn selected(all: &[PictureEntry], test: impl Fn(&PictureEntry) -> bool) -> Vec<u32> {
    (0..).zip(all).filter(|(_, picture)| test(picture)).map(|(slot, _)| slot).collect()
}

fn kept(known: &Pictures, retain: impl Fn(&mut Bits)) -> Vec<u32> {
    let mut bits = Bits::all(known.len());
    retain(&mut bits);
    bits.iter().collect()
}

#[test]
fn conditions_keep_exactly_what_meets_them() {
    let (all, known) = pictures(40_000);
    assert_eq!(known.len(), 40_000);
    let taken = |from: Option<i64>, before| {
        kept(&known, |bits| known.retain_moment(bits, MomentColumn::Taken, from, before))
    };
    let within = |at: i64| (100..300).contains(&at);
    assert_eq!(taken(Some(100), Some(300)), selected(&all, |p| p.taken.is_some_and(within)));
    assert_eq!(taken(None, Some(300)), selected(&all, |p| p.taken.is_some_and(|at| at < 300)));
    let undated = kept(&known, |bits| known.retain_undated(bits));
    assert_eq!(undated, selected(&all, |p| p.taken.is_none()));
    let wide = kept(&known, |bits| known.retain_shape(bits, |width, height| width > height));
    assert_eq!(wide, selected(&all, |p| p.width > p.height));
    let png = kept(&known, |bits| known.retain_format(bits, |format| format == "png"));
    assert_eq!(png, selected(&all, |p| p.format == "png"));
    let north = kept(&known, |bits| known.retain_place(bits, |latitude, _| latitude >= 45.0));
    assert_eq!(north, selected(&all, |p| p.place.is_some_and(|(latitude, _)| latitude >= 45.0)));
    for prefix in ["album-07/", "album-1", "", "none", "album-22/9"] {
        let found: Vec<u32> = known.with_prefix(prefix).iter().collect();
        assert_eq!(found, selected(&all, |p| p.key.starts_with(prefix)), "{prefix}");
    }
    assert_eq!(known.key(39_999), Some(all[39_999].key.as_str()));
    assert_eq!((known.id(40_000), known.key(40_000)), (None, None));
}

#[test]
fn the_order_by_date_is_kept_while_pictures_come_and_go() {
    let (all, known) = pictures(5000);
    let mut before = Bits::all(4000);
    before.set(17, false);
    let former = known.by_date(&before);
    let mut now = Bits::all(5000);
    (0..5000).step_by(7).for_each(|slot| now.set(slot, false));
    let order = known.by_date_since(&former, &before, &now);
    assert_eq!(order.slots(), known.by_date(&now).slots());
    let places: Vec<_> =
        order.slots().iter().map(|slot| (known.date(*slot), all[*slot as usize].id)).collect();
    assert!(places.windows(2).all(|pair| pair[0] > pair[1]));
    let range = order.between(Some(200), Some(400));
    assert!(order.dates()[range.clone()].iter().all(|date| (200..400).contains(date)));
    assert!(order.dates()[range.end] < 200 && order.dates()[range.start - 1] >= 400);
    let (date, id) = places[10];
    assert_eq!(order.after(&known, date, id), 11);
}

#[test]
fn what_was_saved_is_read_back() {
    let (all, known) = pictures(20_000);
    let mut bytes = Vec::new();
    known.save(&mut bytes).unwrap();
    let read = Pictures::load(&mut SavedBytes(&bytes)).unwrap();
    assert_eq!(read.len(), all.len());
    assert!((0..20_000).all(|slot| read.key(slot) == known.key(slot)));
    assert_eq!(read.with_prefix("album-03/"), known.with_prefix("album-03/"));
    assert_eq!(read.taken(7), known.taken(7));
}

proptest! {
    #[test]
    fn damaged_bytes_are_refused_or_read_without_a_panic(
        place in 0_usize..9000,
        value: u8,
        cut in 0_usize..9000,
    ) {
        let (_, known) = pictures(60);
        let mut bytes = Vec::new();
        known.save(&mut bytes).unwrap();
        let place = place % bytes.len();
        bytes[place] = value;
        bytes.truncate(bytes.len().saturating_sub(cut % 100));
        if let Ok(read) = Pictures::load(&mut SavedBytes(&bytes)) {
            for slot in 0..100 {
                let _ = (read.key(slot), read.id(slot), read.taken(slot));
            }
            let _ = read.with_prefix("album");
        }
    }
}
