//! Which addresses are public. Pure: an address in, a verdict out.
//!
//! IPv6 is an allow-list (`2000::/3`, the only space ever given out for the public internet) minus what IANA's
//! special-purpose registry carves out of it. IPv4 has no such block, so it is everything minus the registry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 blocks that are not public, as (first address, prefix length).
const V4_SPECIAL: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carriers' NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, and broadcast
];

/// IPv6 blocks inside `2000::/3` that are not public.
// Outside it everything is refused anyway: unspecified, loopback, mapped, compatible, NAT64 (64:ff9b::), discard
// (100::), SRv6 (5f00::), unique local, link-local, multicast.
const V6_SPECIAL: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarking, ORCHID, ...
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether an address belongs to the public internet, where users' media may live.
///
/// An IPv4-mapped IPv6 address is judged as the IPv4 address that a socket would reach.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !V4_SPECIAL
        .iter()
        .any(|(first, prefix)| (ip.to_bits() ^ first.to_bits()) >> (32 - prefix) == 0)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let global_unicast = ip.segments()[0] >> 13 == 0b001;
    let special = V6_SPECIAL
        .iter()
        .any(|(first, prefix)| (ip.to_bits() ^ first.to_bits()) >> (128 - prefix) == 0);
    global_unicast && !special && !is_isatap(ip)
}

/// An interface id that makes a tunnel end send the packet to the IPv4 address in its last 32 bits.
fn is_isatap(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    matches!(segments[4], 0 | 0x0200) && segments[5] == 0x5efe
}

/// The address and every IPv4 address that a translator or tunnel could make of it.
///
/// Denied ranges and metadata addresses are compared with all of them, so that no transition mechanism is a detour.
pub(super) fn faces(ip: IpAddr) -> Vec<IpAddr> {
    let mut faces = vec![ip];
    if let IpAddr::V6(v6) = ip {
        faces.extend(embedded_v4(v6).into_iter().map(IpAddr::V4));
    }
    faces
}

fn embedded_v4(ip: Ipv6Addr) -> Vec<Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = ip.segments();
    let last = from_halves(s6, s7);
    match [s0, s1] {
        // Compatible (::a.b.c.d), mapped (::ffff:a.b.c.d), translated (::ffff:0:a.b.c.d).
        [0, 0] if [s2, s3] == [0, 0] && matches!([s4, s5], [0, 0] | [0, 0xffff] | [0xffff, 0]) => vec![last],
        // NAT64: the well-known prefix ends in the address; the local-use /48 may also hold it around the u octet.
        [0x64, 0xff9b] => vec![last, from_halves(s3, (s4 << 8) | (s5 >> 8))],
        // 6to4: after the prefix.
        [0x2002, _] => vec![from_halves(s1, s2)],
        // Teredo: the server, and the client with its bits inverted.
        [0x2001, 0] => vec![from_halves(s2, s3), from_halves(!s6, !s7)],
        _ if is_isatap(ip) => vec![last],
        _ => Vec::new(),
    }
}

fn from_halves(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}
