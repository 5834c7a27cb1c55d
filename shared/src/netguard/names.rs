//! Host names and addresses that are refused for what they are, whatever they resolve to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Clouds' metadata services by name. Those under `.internal` are local names as well; here they get their reason.
const METADATA_NAMES: [&str; 8] = [
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.tencentyun.com",
];

/// Clouds' metadata services by address. No setting opens them: one request there can be an account.
const METADATA_ADDRESSES: [IpAddr; 16] = [
    v4(169, 254, 169, 254), // AWS, Azure, Google, OpenStack, Oracle, DigitalOcean, ...
    v4(169, 254, 169, 253), // AWS resolver
    v4(169, 254, 170, 2),   // ECS task roles
    v4(169, 254, 170, 23),  // EKS pod identity
    v4(169, 254, 42, 42),   // Scaleway
    v4(169, 254, 0, 23),    // Tencent
    v4(100, 100, 100, 200), // Alibaba
    v4(168, 63, 129, 16),   // Azure's host, in public address space
    v4(192, 0, 0, 192),     // Oracle, older
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253]),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]),       // Google
    v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]),        // Scaleway
    v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]), // Oracle
    v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe]),    // OpenStack
];

/// Last labels that mean something only on this machine or inside some network.
const LOCAL_SUFFIXES: [&str; 12] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "svc",
    "onion",
    "home.arpa",
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h))
}

/// Whether a lower-case name belongs to a metadata service.
pub(super) fn is_metadata_name(name: &str) -> bool {
    METADATA_NAMES.contains(&name)
}

/// Whether an address belongs to a metadata service.
pub(super) fn is_metadata_address(ip: IpAddr) -> bool {
    METADATA_ADDRESSES.contains(&ip)
}

/// Whether a lower-case name is local: one label alone, a trailing dot (which switches search lists and some
/// programs' checks off), or under a suffix that is never delegated.
pub(super) fn is_local_name(name: &str) -> bool {
    !name.contains('.')
        || name.ends_with('.')
        || LOCAL_SUFFIXES
            .iter()
            .any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
}
