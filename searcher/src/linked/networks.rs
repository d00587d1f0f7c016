//! Which addresses may be asked: those of the public internet, and those in the settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// Networks that are not globally reachable (IANA IPv4 special-purpose address registry), relays of
/// 6to4, multicast and reserved networks.
const SPECIAL_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    v4(169, 254, 0, 16),
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 88, 99, 24),
    v4(192, 168, 0, 16),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    v4(224, 0, 0, 4),
    v4(240, 0, 0, 4),
    v4(255, 255, 255, 24),
];
/// Global unicast.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);
/// Networks in it that are not globally reachable (IANA IPv6 registry), or that lead to any IPv4
/// address (6to4).
const SPECIAL_V6: [Ipv6Net; 4] =
    [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// The networks that may be asked besides the public internet. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Networks {
    allowed: Arc<[IpNet]>,
}

impl Networks {
    pub(super) fn new(allowed: &[IpNet]) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether this address may be asked.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        // ::ffff:10.0.0.1 is 10.0.0.1.
        let address = address.to_canonical();
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address)
                && !SPECIAL_V6.iter().any(|network| network.contains(&address))
        }
    }
}

/// The client connects to the addresses that are resolved here, so a name cannot lead elsewhere
/// after the check (DNS rebinding).
impl Resolve for Networks {
    fn resolve(&self, name: Name) -> Resolving {
        let networks = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let held: Vec<SocketAddr> =
                found.filter(|address| networks.contain(address.ip())).collect();
            if held.is_empty() {
                return Err("the name leads to no address that may be asked".into());
            }
            Ok(Box::new(held.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(allowed: &[&str], address: &str) -> bool {
        let allowed: Vec<IpNet> = allowed.iter().map(|network| network.parse().unwrap()).collect();
        Networks::new(&allowed).contain(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_may_be_asked() {
        for public in
            ["1.1.1.1", "11.0.0.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255"]
        {
            assert!(held(&[], public), "{public}");
            assert!(held(&[], &format!("::ffff:{public}")), "{public} as IPv6");
        }
        assert!(held(&[], "2606:4700::1111") && held(&[], "2a00::1"));
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!held(&[], special), "{special}");
            assert!(!held(&[], &format!("::ffff:{special}")), "{special} as IPv6");
        }
        for special in [
            "::",
            "::1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
        ] {
            assert!(!held(&[], special), "{special}");
        }
    }

    #[test]
    fn what_settings_name_may_be_asked_too() {
        assert!(held(&["10.1.0.0/16", "fd00::/8"], "10.1.2.3"));
        assert!(held(&["10.1.0.0/16", "fd00::/8"], "::ffff:10.1.2.3"));
        assert!(held(&["10.1.0.0/16", "fd00::/8"], "fd12::1"));
        assert!(!held(&["10.1.0.0/16", "fd00::/8"], "10.2.0.1"));
    }
}
