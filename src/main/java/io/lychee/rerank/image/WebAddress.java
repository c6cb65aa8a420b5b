package io.lychee.rerank.image;

import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.domain.Urls;
import java.net.IDN;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Parses http and https addresses as browsers do (WHATWG URL), into what the request line and the resolver get.
 *
 * <p>Two differences: characters that RFC 3986 doesn't allow, such as {@code |} and {@code []}, are percent-encoded
 * too, since servers refuse them raw. A name that IDNA 2003 and UTS 46 map to different hosts is refused.
 *
 * @param host lower case, ASCII; IPv4 with four numbers, IPv6 in brackets
 * @param port -1 for the scheme's own
 * @param path percent-encoded, without dot segments
 * @param query percent-encoded; null where there is none
 */
record WebAddress(
        String scheme,
        String host,
        int port,
        String path,
        @Nullable String query) {

    private static final Pattern SCHEME = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*):");
    private static final Pattern AUTHORITY = Pattern.compile("[/\\\\]*([^/\\\\?]*)(.*)", Pattern.DOTALL);
    private static final Pattern FORBIDDEN_IN_HOST = Pattern.compile("[\\x00-\\x20\\x7f#/:<>?@\\[\\\\\\]^|%]");
    private static final Pattern IPV6 = Pattern.compile("[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*");
    private static final Pattern IPV4_END = Pattern.compile("(?:.*\\.)?(?:\\d+|0[xX][0-9A-Fa-f]*)\\.?");
    private static final String IN_PATH = "-._~!$&'()*+,;=:@%";
    private static final String IN_QUERY = "-._~!$&()*+,;=:@%/?";

    /**
     * @param base resolves a relative address; null where none is allowed
     * @throws RejectedException with the words that follow "the image …"
     */
    static WebAddress parse(String text, @Nullable WebAddress base) throws RejectedException {
        String url = Urls.clean(text).split("#", 2)[0];
        Matcher named = SCHEME.matcher(url);
        boolean absolute = named.lookingAt();
        String scheme = absolute ? named.group(1).toLowerCase(Locale.ROOT) : base == null ? "none" : base.scheme;
        String rest = absolute ? url.substring(named.end()) : url;
        if (!scheme.equals("http") && !scheme.equals("https")) {
            throw new RejectedException(
                    Reason.IMAGE_FORBIDDEN,
                    "leads to the scheme " + ImageFetcher.shorten(scheme) + "; expected http or https");
        }
        boolean names = rest.length() > 1 && slash(rest, 0) && slash(rest, 1);
        if (base != null && base.scheme.equals(scheme) && !names) {
            return base.resolve(rest);
        }
        Matcher parts = AUTHORITY.matcher(rest);
        if (!parts.matches()) {
            throw new IllegalStateException(AUTHORITY + " matches any text");
        }
        return at(scheme, parts.group(1), parts.group(2));
    }

    private static WebAddress at(String scheme, String authority, String rest) throws RejectedException {
        if (authority.indexOf('@') >= 0) {
            throw new RejectedException(Reason.IMAGE_FORBIDDEN, "carries a user name; expected none");
        }
        int colon = authority.indexOf(':', authority.startsWith("[") ? authority.indexOf(']') + 1 : 0);
        String host = colon < 0 ? authority : authority.substring(0, colon);
        if (host.isEmpty()) {
            throw new RejectedException(Reason.IMAGE_NOT_FOUND, "names no host");
        }
        int port = colon < 0 ? -1 : port(authority.substring(colon + 1));
        boolean usual = port == (scheme.equals("http") ? 80 : 443);
        return new WebAddress(scheme, host(host), usual ? -1 : port, "/", null).resolve(rest.isEmpty() ? "/" : rest);
    }

    private WebAddress resolve(String relative) {
        int mark = relative.indexOf('?');
        String given = mark < 0 ? relative : relative.substring(0, mark);
        String newQuery = mark < 0 ? null : encode(relative.substring(mark + 1), IN_QUERY);
        if (given.isEmpty()) {
            return new WebAddress(scheme, host, port, path, mark < 0 ? query : newQuery);
        }
        Deque<String> segments = new ArrayDeque<>();
        if (!slash(given, 0)) {
            segments.addAll(List.of(path.substring(1).split("/", -1)));
            segments.removeLast();
        }
        String[] parts = given.substring(slash(given, 0) ? 1 : 0).split("[/\\\\]", -1);
        for (int i = 0; i < parts.length; i++) {
            String dots = parts[i].replaceAll("(?i)%2e", ".");
            boolean isDots = dots.equals(".") || dots.equals("..");
            if (dots.equals("..")) {
                segments.pollLast();
            }
            if (!isDots || i == parts.length - 1) {
                segments.add(isDots ? "" : encode(parts[i], IN_PATH));
            }
        }
        return new WebAddress(scheme, host, port, "/" + String.join("/", segments), newQuery);
    }

    /** Path and query of the request line. */
    String target() {
        return query == null ? path : path + "?" + query;
    }

    private static boolean slash(String text, int at) {
        return text.charAt(at) == '/' || text.charAt(at) == '\\';
    }

    private static String encode(String text, String kept) {
        StringBuilder out = new StringBuilder(text.length());
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            boolean plain = c < 0x80 && (Character.isLetterOrDigit(c) || kept.indexOf(c) >= 0);
            out.append(plain ? String.valueOf(c) : String.format("%%%02X", (int) c));
        }
        return out.toString();
    }

    private static int port(String digits) throws RejectedException {
        if (digits.isEmpty()) {
            return -1;
        }
        long port = number(digits, 10);
        if (port < 0 || port > 65535) {
            throw invalid("its port is " + ImageFetcher.shorten(digits) + "; expected 0 to 65535");
        }
        return (int) port;
    }

    private static String host(String raw) throws RejectedException {
        if (raw.startsWith("[")) {
            return ipv6(raw);
        }
        String host = ascii(new String(Urls.percentDecoded(raw), StandardCharsets.UTF_8));
        Matcher forbidden = FORBIDDEN_IN_HOST.matcher(host);
        if (forbidden.find()) {
            throw invalid("its host has the character U+%04X"
                    .formatted((int) forbidden.group().charAt(0)));
        }
        return IPV4_END.matcher(host).matches() ? ipv4(host) : host;
    }

    private static String ipv6(String raw) throws RejectedException {
        String inner = raw.substring(1, raw.length() - 1);
        if (raw.endsWith("]") && IPV6.matcher(inner).matches()) {
            try {
                InetAddress.getByName(raw); // brackets: never looked up
                return raw.toLowerCase(Locale.ROOT);
            } catch (UnknownHostException e) {
                // refused below
            }
        }
        throw invalid("its host is no IPv6 address; expected hexadecimal groups, without a zone");
    }

    /** Reads one to four numbers, decimal, octal or hexadecimal; the last fills the remaining bytes. */
    private static String ipv4(String host) throws RejectedException {
        String[] parts = (host.endsWith(".") ? host.substring(0, host.length() - 1) : host).split("\\.", -1);
        long address = 0;
        for (int i = 0; i < parts.length; i++) {
            boolean hex = parts[i].regionMatches(true, 0, "0x", 0, 2);
            boolean octal = !hex && parts[i].length() > 1 && parts[i].startsWith("0");
            long part = hex && parts[i].length() == 2
                    ? 0
                    : number(parts[i].substring(hex ? 2 : 0), hex ? 16 : octal ? 8 : 10);
            boolean last = i == parts.length - 1;
            if (parts.length > 4 || part < 0 || part >= (last ? 1L << (8 * (5 - parts.length)) : 256)) {
                throw invalid("its host is no IPv4 address");
            }
            address += last ? part : part << (8 * (3 - i));
        }
        return (address >> 24) + "." + (address >> 16 & 255) + "." + (address >> 8 & 255) + "." + (address & 255);
    }

    /** @return -1 for no number, or one too large for an IPv4 address */
    private static long number(String digits, int radix) {
        String significant = digits.replaceFirst("^0+(?=.)", "");
        boolean number = !digits.isEmpty()
                && significant.length() <= 11
                && significant.chars().allMatch(c -> c < 0x80 && Character.digit(c, radix) >= 0);
        return number ? Long.parseLong(significant, radix) : -1;
    }

    /** Accepts an international name only where IDNA 2003, which the JDK has, and UTS 46 map it to the same host. */
    private static String ascii(String name) throws RejectedException {
        if (isAscii(name)) {
            return name.toLowerCase(Locale.ROOT);
        }
        String lower = Normalizer.normalize(name, Normalizer.Form.NFKC).toLowerCase(Locale.ROOT);
        String mapped = Normalizer.normalize(lower, Normalizer.Form.NFKC).replace('\u3002', '.');
        String[] labels = mapped.split("\\.", -1);
        try {
            for (int i = 0; i < labels.length; i++) {
                String label = labels[i];
                labels[i] = isAscii(label) ? label : IDN.toASCII(label);
                if (!isAscii(label) && !IDN.toUnicode(labels[i]).equals(label)) {
                    throw ambiguous(label);
                }
            }
        } catch (IllegalArgumentException e) {
            throw ambiguous(mapped);
        }
        return String.join(".", labels);
    }

    private static boolean isAscii(String text) {
        return text.chars().allMatch(c -> c < 0x80);
    }

    private static RejectedException ambiguous(String name) {
        return invalid("the name " + ImageFetcher.shorten(name)
                + " is read as other hosts by other programs; expected it as xn--…");
    }

    private static RejectedException invalid(String why) {
        return new RejectedException(Reason.IMAGE_NOT_FOUND, "is no valid address: " + why);
    }
}
