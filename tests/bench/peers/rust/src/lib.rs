//! What both programs share: the generated messages, keys, and options.

tonic::include_proto!("peer.v1");

/// Gives one spelling for the ways to write a Vietnamese number; all else stays as it is.
pub fn canonical(phone: &str) -> String {
    if !phone.bytes().all(|c| b"+0123456789 .-()/".contains(&c)) {
        return phone.to_owned();
    }
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= 11 && digits.starts_with("0084") {
        return format!("0{}", &digits[4..]);
    }
    if digits.len() >= 10 && digits.starts_with("84") {
        return format!("0{}", &digits[2..]);
    }
    if phone.starts_with('+') { format!("+{digits}") } else { digits }
}

/// The hash-tagged prefix of a tenant's keys.
pub fn tenant_key(project: &str, vbot: &str) -> String {
    format!("{{{project}/{vbot}}}")
}

/// The value of an option of the command line.
pub fn option(name: &str) -> String {
    let mut words = std::env::args().skip_while(|word| word.strip_prefix("--") != Some(name));
    words.nth(1).unwrap_or_else(|| panic!("--{name} is needed"))
}
