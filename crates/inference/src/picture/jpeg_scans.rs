//! Whether a JPEG file reaches its end, and in how many scans.
//!
//! The JPEG decoder accepts a file that stops in the middle and fills the rest with grey, as
//! browsers do. In a bucket such a file is an upload that was cut short. It is reported as damaged,
//! so that no half picture is indexed.

/// The scans of a JPEG file, counted in its structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JpegScans {
    /// Number of scans of the (first) image.
    pub(super) count: usize,
    /// Pixels of the image, as its frame header says; the most of several headers. 0 without one.
    pub(super) pixels: u64,
    /// Whether an end-of-image marker closes the image. Also true for a file with a broken
    /// structure, which the decoder judges.
    pub(super) complete: bool,
}

impl JpegScans {
    /// Walks the segments of a JPEG file (ITU-T T.81, annex B) up to the end-of-image marker. Bytes
    /// after that marker are ignored: phones append previews and videos.
    pub(super) fn of(bytes: &[u8]) -> JpegScans {
        const END_OF_IMAGE: u8 = 0xd9;
        const START_OF_SCAN: u8 = 0xda;
        let mut position = 2; // behind the start-of-image marker
        let (mut count, mut pixels) = (0, 0);
        loop {
            let Some(marker) = next_marker(bytes, &mut position) else {
                return JpegScans { count, pixels, complete: false };
            };
            match marker {
                END_OF_IMAGE => return JpegScans { count, pixels, complete: true },
                // Markers without a length: TEM, restarts, start of image.
                0x01 | 0xd0..=0xd8 => {}
                _ => {
                    let Some(&[high, low]) =
                        bytes.get(position..position + 2).and_then(|length| length.first_chunk())
                    else {
                        return JpegScans { count, pixels, complete: false };
                    };
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    if length < 2 {
                        return JpegScans { count, pixels, complete: true };
                    }
                    if is_frame(marker) {
                        pixels = pixels.max(frame_pixels(bytes, position).unwrap_or(0));
                    }
                    position += length;
                    if marker == START_OF_SCAN {
                        count += 1;
                        skip_scan(bytes, &mut position);
                    }
                }
            }
        }
    }
}

/// Whether a marker begins a frame header (SOF0 to SOF15).
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Pixels of the frame whose header begins at this position: after two bytes of length and one of
/// precision come height and width.
fn frame_pixels(bytes: &[u8], position: usize) -> Option<u64> {
    let sides: &[u8; 4] = bytes.get(position + 3..position + 7)?.first_chunk()?;
    let [high, low, wide, narrow] = *sides;
    let side = |high, low| u64::from(u16::from_be_bytes([high, low]));
    Some(side(high, low) * side(wide, narrow))
}

/// Moves behind the next marker and returns its second byte. Skips bytes between segments, as
/// decoders do.
fn next_marker(bytes: &[u8], position: &mut usize) -> Option<u8> {
    loop {
        let start = *position + bytes.get(*position..)?.iter().position(|byte| *byte == 0xff)?;
        let code = *bytes.get(start + 1)?;
        // 0xff before a marker is padding. 0 after 0xff makes the pair a data byte.
        *position = if code == 0xff { start + 1 } else { start + 2 };
        if code != 0xff && code != 0 {
            return Some(code);
        }
    }
}

/// Moves to the marker that ends the compressed data of a scan. Restart markers belong to the data.
fn skip_scan(bytes: &[u8], position: &mut usize) {
    while let Some(code) = next_marker(bytes, position) {
        if !matches!(code, 0xd0..=0xd7) {
            *position -= 2;
            return;
        }
    }
    *position = bytes.len();
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: [u8; 2] = [0xff, 0xd8];
    /// A comment of three bytes that contains what looks like an end of image.
    const COMMENT: [u8; 7] = [0xff, 0xfe, 0, 5, 0xff, 0xd9, 0];
    /// A scan: header of three bytes, data with a stuffed 0xff and a restart.
    const SCAN: [u8; 12] = [0xff, 0xda, 0, 3, 0, 1, 0xff, 0, 2, 0xff, 0xd0, 3];
    const END: [u8; 2] = [0xff, 0xd9];

    fn reaches_end(bytes: &[u8]) -> bool {
        JpegScans::of(bytes).complete
    }

    fn file(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn the_end_closes_the_file_whatever_follows() {
        assert!(reaches_end(&file(&[&START, &COMMENT, &SCAN, &END])));
        assert!(reaches_end(&file(&[&START, &COMMENT, &SCAN, &SCAN, &END, b"a video"])));
        assert!(reaches_end(&file(&[&START, &SCAN, &[0xff, 0xff], &END])));
    }

    #[test]
    fn scans_are_counted() {
        assert_eq!(
            JpegScans::of(&file(&[&START, &COMMENT, &END])),
            JpegScans { count: 0, pixels: 0, complete: true }
        );
        assert_eq!(
            JpegScans::of(&file(&[&START, &SCAN, &COMMENT, &SCAN, &END, &SCAN])),
            JpegScans { count: 2, pixels: 0, complete: true }
        );
    }

    #[test]
    fn the_frame_says_how_many_pixels_each_scan_passes_over() {
        // Start of a progressive frame: length, precision, 300 lines of 400 samples, no component.
        let frame = [0xff, 0xc2, 0, 8, 8, 1, 44, 1, 144, 0];
        let tables = [0xff, 0xc4, 0, 7, 9, 255, 255, 255, 255];
        let scans = JpegScans::of(&file(&[&START, &tables, &frame, &SCAN, &SCAN, &END]));
        assert_eq!(scans, JpegScans { count: 2, pixels: 120_000, complete: true });
        // A header that is cut short tells nothing.
        assert_eq!(JpegScans::of(&file(&[&START, &frame[..6]])).pixels, 0);
    }

    #[test]
    fn any_cut_is_seen() {
        let whole = file(&[&START, &COMMENT, &SCAN, &COMMENT, &SCAN, &END]);
        for length in 2..whole.len() {
            assert!(!reaches_end(&whole[..length]), "cut at {length}");
        }
    }

    #[test]
    fn nonsense_is_left_to_the_decoder() {
        assert!(reaches_end(&[0xff, 0xd8, 0xff, 0xe0, 0, 0]));
        assert!(!reaches_end(&[]));
    }
}
