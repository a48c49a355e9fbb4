//! Who is asking, as honest clients and operators meet it. What others try is in
//! `attacks/tokens.rs`.

mod command_line;
mod expiry;
mod key_files;
mod visitors;
