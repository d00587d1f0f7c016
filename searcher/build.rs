//! Builds the crate again when a file of the web page comes or goes: the compiler itself watches
//! only the files that it has embedded already.

fn main() {
    println!("cargo::rerun-if-changed=ui");
}
