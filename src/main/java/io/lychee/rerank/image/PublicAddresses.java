package io.lychee.rerank.image;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import org.apache.hc.client5.http.DnsResolver;

/**
 * Resolves hosts to their public addresses. The client connects only to addresses from here, so a name that changes
 * between check and use gains nothing. Thread-safe.
 */
final class PublicAddresses implements DnsResolver {

    /** Refuses a host without any allowed address. */
    static final class ForbiddenException extends UnknownHostException {

        private static final long serialVersionUID = 1;

        ForbiddenException(String host) {
            super(host + " has no public address; fetch.allow-private-addresses allows others");
        }
    }

    private final DnsResolver resolver;
    private final boolean allowPrivate;

    /** @param resolver returns the addresses of names and of literals */
    PublicAddresses(DnsResolver resolver, boolean allowPrivate) {
        this.resolver = resolver;
        this.allowPrivate = allowPrivate;
    }

    @Override
    public InetAddress[] resolve(String host) throws UnknownHostException {
        InetAddress[] all = resolver.resolve(host);
        if (allowPrivate) {
            return all;
        }
        InetAddress[] allowed =
                Arrays.stream(all).filter(PublicAddresses::isPublic).toArray(InetAddress[]::new);
        if (allowed.length == 0) {
            throw new ForbiddenException(host);
        }
        return allowed;
    }

    @Override
    public String resolveCanonicalHostname(String host) {
        return host;
    }

    static boolean isPublic(InetAddress address) {
        byte[] bytes = address.getAddress();
        return bytes.length == 4 ? isPublicV4(bytes, 0) : isPublicV6(bytes);
    }

    private static boolean isPublicV4(byte[] bytes, int at) {
        int a = bytes[at] & 0xff;
        int b = bytes[at + 1] & 0xff;
        int c = bytes[at + 2] & 0xff;
        return switch (a) {
            case 0, 10, 127 -> false;
            case 100 -> b < 64 || b > 127; // carrier-grade NAT
            case 169 -> b != 254; // link-local
            case 172 -> b < 16 || b > 31;
            case 192 -> b != 168 && !(b == 0 && (c == 0 || c == 2)) && !(b == 88 && c == 99);
            case 198 -> b != 18 && b != 19 && !(b == 51 && c == 100); // benchmarks, documentation
            case 203 -> !(b == 0 && c == 113); // documentation
            default -> a < 224; // multicast, reserved, broadcast
        };
    }

    private static boolean isPublicV6(byte[] bytes) {
        if (at(bytes, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)) {
            // loopback, unspecified, IPv4-mapped (ffff) and the old IPv4-compatible form
            boolean mapped = bytes[10] == -1 && bytes[11] == -1;
            return mapped && isPublicV4(bytes, 12);
        }
        if (at(bytes, 0, 0, 0x64, 0xff, 0x9b)) {
            // NAT64; 64:ff9b:1::/48 is for local use
            return at(bytes, 4, 0, 0, 0, 0, 0, 0, 0, 0) && isPublicV4(bytes, 12);
        }
        if (at(bytes, 0, 0x20, 0x02)) {
            return isPublicV4(bytes, 2); // 6to4
        }
        if (at(bytes, 0, 0x20, 0x01) && (at(bytes, 2, 0, 0) || at(bytes, 2, 0x0d, 0xb8))) {
            return false; // Teredo, documentation
        }
        // the rest is public in 2000::/3 only: not ULA, link-local, site-local, multicast
        return (bytes[0] & 0xe0) == 0x20;
    }

    private static boolean at(byte[] bytes, int from, int... expected) {
        for (int i = 0; i < expected.length; i++) {
            if ((bytes[from + i] & 0xff) != expected[i]) {
                return false;
            }
        }
        return true;
    }
}
