package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import org.apache.hc.client5.http.DnsResolver;
import org.apache.hc.client5.http.SystemDefaultDnsResolver;
import org.junit.jupiter.api.Test;

/** Literal addresses only: nothing is looked up, nothing is connected to. */
final class PublicAddressesTest {

    private static final String[] REFUSED = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2001:0:1::1",
        "2001:db8::1",
        "100::1",
        "5f00::1"
    };

    private static final String[] ALLOWED = {
        "1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "169.253.0.1", "172.15.0.1",
        "172.32.0.1", "192.167.0.1", "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", "2002:808:808::", "2606:4700::1111", "2a00:1450::1"
    };

    @Test
    void onlyPublicAddressesPass() throws UnknownHostException {
        for (String literal : REFUSED) {
            assertThat(PublicAddresses.isPublic(InetAddress.getByName(literal)))
                    .as(literal)
                    .isFalse();
        }
        for (String literal : ALLOWED) {
            assertThat(PublicAddresses.isPublic(InetAddress.getByName(literal)))
                    .as(literal)
                    .isTrue();
        }
    }

    @Test
    void mappedFormsThatArriveAs16BytesAreSeenThrough() throws UnknownHostException {
        byte[] mapped = new byte[16];
        mapped[10] = -1;
        mapped[11] = -1;
        mapped[12] = 10;
        assertThat(PublicAddresses.isPublic(InetAddress.getByAddress(mapped))).isFalse();
    }

    @Test
    void literalsInAddressesGoThroughTheSameCheck() {
        var addresses = new PublicAddresses(SystemDefaultDnsResolver.INSTANCE, false);
        for (String host : new String[] {"127.0.0.1", "127.1", "2130706433", "::1", "[::1]", "localhost"}) {
            assertThatThrownBy(() -> addresses.resolve(host)).as(host).isInstanceOf(UnknownHostException.class);
        }
    }

    @Test
    void whatIsNotPublicIsLeftOutOfAHostsAddresses() throws UnknownHostException {
        assertThat(new PublicAddresses(fake("10.0.0.1", "1.1.1.1", "::1"), false).resolve("mixed.example"))
                .containsExactly(InetAddress.getByName("1.1.1.1"));
        assertThatThrownBy(() -> new PublicAddresses(fake("10.0.0.1", "::1"), false).resolve("inside.example"))
                .isInstanceOf(PublicAddresses.ForbiddenException.class)
                .hasMessageContaining("fetch.allow-private-addresses");
        assertThat(new PublicAddresses(fake("10.0.0.1"), true).resolve("inside.example"))
                .hasSize(1);
    }

    static DnsResolver fake(String... literals) {
        return new DnsResolver() {
            @Override
            public InetAddress[] resolve(String host) throws UnknownHostException {
                InetAddress[] addresses = new InetAddress[literals.length];
                for (int i = 0; i < literals.length; i++) {
                    addresses[i] = InetAddress.getByName(literals[i]);
                }
                return addresses;
            }

            @Override
            public String resolveCanonicalHostname(String host) {
                return Arrays.toString(literals);
            }
        };
    }
}
