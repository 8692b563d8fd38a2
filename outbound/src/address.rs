//! Which addresses belong to everybody: those of the global internet and no other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that no document is fetched from, with the registry's reason (RFC 6890 and what followed it).
const NOT_PUBLIC_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // between carriers and their customers
    ([127, 0, 0, 0], 8),     // this machine
    ([169, 254, 0, 0], 16),  // this link; clouds tell secrets there
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // relays into IPv6, given up
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, and the broadcast address
];

/// What is public of IPv6 lies in here …
const GLOBAL_UNICAST: (u16, u32) = (0x2000, 3);

/// … but for these.
const NOT_PUBLIC_V6: [([u16; 2], u32); 4] = [
    ([0x2001, 0x0000], 23), // protocol assignments: tunnels through IPv4, benchmarks, identifiers that are no addresses
    ([0x2001, 0x0db8], 32), // documentation
    ([0x2002, 0x0000], 16), // tunnels through IPv4: the address within could be any
    ([0x3fff, 0x0000], 20), // documentation
];

/// Whether everybody on the internet means the same machine by this address.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    // RFC 6890 §2.2: the registry says of each network whether it can be reached by everybody.
    let within = |(network, length): ([u8; 4], u32)| (address.to_bits() ^ u32::from_be_bytes(network)) >> (32 - length) == 0;
    !NOT_PUBLIC_V4.into_iter().any(within)
}

/// An IPv4 address that is written as an IPv6 one is refused with all the rest: who means it can write it plainly.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let head = (u32::from(first) << 16) | u32::from(second);
    let within = |network: [u16; 2], length: u32| (head ^ ((u32::from(network[0]) << 16) | u32::from(network[1]))) >> (32 - length) == 0;
    within([GLOBAL_UNICAST.0, 0], GLOBAL_UNICAST.1) && !NOT_PUBLIC_V6.into_iter().any(|(network, length)| within(network, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// The first and the last address of each network that is not public, and those just outside of it that are.
    #[test]
    fn rfc6890_2_2_special_networks_of_ipv4_end_where_they_end() {
        for (first, last, before, after) in [
            ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
            ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
            ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
            ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
            ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
            ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
            ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
            ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
            ("192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0")),
            ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
            ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
            ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
            ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
            ("224.0.0.0", "255.255.255.255", Some("223.255.255.255"), None),
        ] {
            assert!(!public(first) && !public(last), "{first} to {last}");
            assert!(before.into_iter().chain(after).all(public), "around {first} to {last}");
        }
        assert!(!public("169.254.169.254") && !public("255.255.255.255") && !public("240.0.0.1"));
    }

    #[test]
    fn every_network_of_eight_bits_of_ipv4_is_judged_as_the_registry_does() {
        let whole: Vec<u8> = (0..=255_u8).filter(|first| !is_public(Ipv4Addr::new(*first, 77, 77, 77).into())).collect();
        let expected: Vec<u8> = [0, 10, 127].into_iter().chain(224..=255).collect();
        // 100.77 lies within 100.64/10; the rest of 100/8 is public.
        assert_eq!(whole.iter().copied().filter(|first| *first != 100).collect::<Vec<_>>(), expected);
        assert!(whole.contains(&100));
    }

    #[test]
    fn rfc6890_2_2_only_global_unicast_of_ipv6_is_public() {
        for text in [
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "100:0:0:1::1",
            "1fff:ffff::1",
            "2001::1",
            "2001:1::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456:789a::1",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
            "ffff::1",
        ] {
            assert!(!public(text), "{text}");
        }
        for text in [
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "3fff:1000::1",
            "3ffe::1",
        ] {
            assert!(public(text), "{text}");
        }
    }
}
