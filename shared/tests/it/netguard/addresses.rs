//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use zoetrope_shared::netguard::is_public;

/// First and last address of each range that is not public, and beside them the public neighbours where there are any.
const V4_EDGES: &[(&str, bool)] = &[
    ("0.0.0.0", false),
    ("0.255.255.255", false),
    ("1.0.0.0", true),
    ("9.255.255.255", true),
    ("10.0.0.0", false),
    ("10.255.255.255", false),
    ("11.0.0.0", true),
    ("100.63.255.255", true),
    ("100.64.0.0", false),
    ("100.127.255.255", false),
    ("100.128.0.0", true),
    ("126.255.255.255", true),
    ("127.0.0.0", false),
    ("127.255.255.255", false),
    ("128.0.0.0", true),
    ("169.253.255.255", true),
    ("169.254.0.0", false),
    ("169.254.255.255", false),
    ("169.255.0.0", true),
    ("172.15.255.255", true),
    ("172.16.0.0", false),
    ("172.31.255.255", false),
    ("172.32.0.0", true),
    ("192.0.0.0", false),
    ("192.0.0.255", false),
    ("192.0.1.0", true),
    ("192.0.2.0", false),
    ("192.0.2.255", false),
    ("192.88.98.255", true),
    ("192.88.99.0", false),
    ("192.88.99.255", false),
    ("192.167.255.255", true),
    ("192.168.0.0", false),
    ("192.168.255.255", false),
    ("192.169.0.0", true),
    ("198.17.255.255", true),
    ("198.18.0.0", false),
    ("198.19.255.255", false),
    ("198.20.0.0", true),
    ("198.51.99.255", true),
    ("198.51.100.0", false),
    ("198.51.100.255", false),
    ("203.0.113.0", false),
    ("203.0.113.255", false),
    ("203.0.114.0", true),
    ("223.255.255.255", true),
    ("224.0.0.0", false),
    ("239.255.255.255", false),
    ("240.0.0.0", false),
    ("255.255.255.255", false),
];

const V6_EDGES: &[(&str, bool)] = &[
    ("::", false),
    ("::1", false),
    ("::7f00:1", false),
    ("::ffff:127.0.0.1", false),
    ("::ffff:8.8.8.8", true),
    ("::ffff:0:8.8.8.8", false),
    ("64:ff9b::808:808", false),
    ("64:ff9b:1::1", false),
    ("100::1", false),
    ("1fff:ffff::1", false),
    ("2000::1", true),
    ("2001::1", false),
    ("2001:2::1", false),
    ("2001:10::1", false),
    ("2001:20::1", false),
    ("2001:1ff:ffff::1", false),
    ("2001:200::1", true),
    ("2001:db7:ffff::1", true),
    ("2001:db8::1", false),
    ("2001:db8:ffff::1", false),
    ("2001:db9::1", true),
    ("2001:4860:4860::8888", true),
    ("2002:808:808::1", false),
    ("2003::1", true),
    ("2606:4700:4700::1111", true),
    ("2606:4700::5efe:a00:1", false),
    ("2606:4700::200:5efe:a00:1", false),
    ("3ffe::1", true),
    ("3fff::1", false),
    ("3fff:fff:ffff::1", false),
    ("3fff:1000::1", true),
    ("4000::1", false),
    ("5f00::1", false),
    ("fc00::1", false),
    ("fdff::1", false),
    ("fe80::1", false),
    ("fec0::1", false),
    ("ff02::1", false),
    ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
];

#[test]
fn the_edges_of_every_special_range_are_judged() {
    for (text, public) in V4_EDGES.iter().chain(V6_EDGES) {
        assert_eq!(is_public(text.parse().expect("an address")), *public, "{text}");
    }
}

/// The same policy written a second time, as ranges, to compare with the arithmetic of the first.
fn reference_v4(ip: Ipv4Addr) -> bool {
    let private =
        ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_documentation();
    let others = [
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
    ];
    let within = |range: &&str| range.parse::<Ipv4Net>().expect("a range").contains(&ip);
    !private && !others.iter().any(within)
}

fn reference_v6(ip: Ipv6Addr) -> bool {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return reference_v4(mapped);
    }
    let within = |range: &str| range.parse::<Ipv6Net>().expect("a range").contains(&ip);
    let isatap = matches!(ip.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _]);
    let special = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];
    within("2000::/3") && !special.iter().any(|range| within(range)) && !isatap
}

/// Addresses near the edges: the first segments of interesting prefixes, and noise behind them.
fn v6_addresses() -> impl Strategy<Value = Ipv6Addr> {
    let first = prop_oneof![
        any::<u16>(),
        prop::sample::select(vec![
            0, 0x64, 0x100, 0x2000, 0x2001, 0x2002, 0x3ffe, 0x3fff, 0x4000, 0x5f00, 0xfc00, 0xfe80
        ]),
    ];
    let second = prop_oneof![
        any::<u16>(),
        prop::sample::select(vec![0, 0x1ff, 0x200, 0xdb8, 0xfff, 0x1000, 0xff9b])
    ];
    let fifth = prop_oneof![any::<u16>(), Just(0), Just(0x200)];
    let sixth = prop_oneof![any::<u16>(), Just(0xffff), Just(0x5efe)];
    (
        first,
        second,
        prop_oneof![Just(0), any::<u32>()],
        fifth,
        sixth,
        any::<u32>(),
    )
        .prop_map(|(a, b, cd, e, f, gh)| {
            let halves = |pair: u32| ((pair >> 16) as u16, pair as u16);
            let ((c, d), (g, h)) = (halves(cd), halves(gh));
            Ipv6Addr::new(a, b, c, d, e, f, g, h)
        })
}

proptest! {
    #[test]
    fn ipv4_is_judged_as_the_written_out_policy_says(bits in any::<u32>()) {
        let ip = Ipv4Addr::from_bits(bits);
        prop_assert_eq!(is_public(IpAddr::V4(ip)), reference_v4(ip), "{}", ip);
        prop_assert_eq!(is_public(IpAddr::V6(ip.to_ipv6_mapped())), reference_v4(ip), "mapped {}", ip);
        prop_assert!(!is_public(IpAddr::V6(ip.to_ipv6_compatible())), "compatible {}", ip);
    }

    #[test]
    fn ipv6_is_judged_as_the_written_out_policy_says(ip in v6_addresses()) {
        prop_assert_eq!(is_public(IpAddr::V6(ip)), reference_v6(ip), "{}", ip);
    }

    #[test]
    fn an_address_is_never_public_unless_it_is_mapped_or_in_global_unicast_space(bits in any::<u128>()) {
        let ip = Ipv6Addr::from_bits(bits);
        let global = (0x2000..0x4000).contains(&ip.segments()[0]);
        prop_assert!(global || ip.to_ipv4_mapped().is_some() || !is_public(IpAddr::V6(ip)), "{}", ip);
    }
}
