package io.lychee.rerank.gateway;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.vertx.core.MultiMap;
import io.vertx.core.http.HttpHeaders;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.commons.codec.digest.DigestUtils;
import org.jspecify.annotations.Nullable;

/** Refuses requests without a key of {@code gateway.api-key}. Holds digests, compared in constant time. Immutable. */
final class ApiKeys {

    /** Holds the key where a page can set no header: for event streams and pictures. */
    private static final String COOKIE = "lychee-key";

    private static final String FILE = "file:";
    private static final String KEY = "[\\x21-\\x7E]{8,200}";

    private final List<byte[]> digests;

    /**
     * @param setting empty for none, a key, or {@code file:PATH} of a file with one key a line
     * @throws ConfigException when the file can't be read, or a key is no key
     */
    ApiKeys(String setting) {
        List<String> keys = setting.startsWith(FILE)
                ? read(Path.of(setting.substring(FILE.length())))
                : setting.isEmpty() ? List.of() : List.of(setting);
        for (String key : keys) {
            if (!key.matches(KEY)) {
                throw new ConfigException(ConfigKeys.API_KEY
                        + " has a key of another form; expected 8 to 200 ASCII characters without white space");
            }
        }
        this.digests = keys.stream().map(DigestUtils::sha256).toList();
    }

    private static List<String> read(Path file) {
        try (Stream<String> lines = Files.lines(file)) {
            List<String> keys = lines.map(String::strip)
                    .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                    .toList();
            if (keys.isEmpty()) {
                throw new ConfigException(file + " (" + ConfigKeys.API_KEY + ") has no key; expected one a line");
            }
            return keys;
        } catch (IOException e) {
            throw new ConfigException(file + " (" + ConfigKeys.API_KEY + ") can't be read: " + e, e);
        }
    }

    boolean areRequired() {
        return !digests.isEmpty();
    }

    /** @throws HttpError 401 */
    void require(MultiMap headers) {
        if (!areRequired()) {
            return;
        }
        String key = key(headers);
        if (key == null || !isKnown(DigestUtils.sha256(key))) {
            throw new HttpError(
                    401,
                    "the API key is " + (key == null ? "missing" : "wrong")
                            + "; expected Authorization: Bearer KEY, or x-api-key: KEY (" + ConfigKeys.API_KEY + ")");
        }
    }

    /** Compares with all keys, so that the time tells nothing. */
    private boolean isKnown(byte[] digest) {
        boolean known = false;
        for (byte[] one : digests) {
            known |= MessageDigest.isEqual(one, digest);
        }
        return known;
    }

    private static @Nullable String key(MultiMap headers) {
        String authorization = headers.get(HttpHeaders.AUTHORIZATION);
        if (authorization != null && authorization.regionMatches(true, 0, "Bearer ", 0, 7)) {
            return authorization.substring(7).strip();
        }
        String header = headers.get("x-api-key");
        return header == null ? cookie(headers) : header;
    }

    private static @Nullable String cookie(MultiMap headers) {
        String value = headers.getAll(HttpHeaders.COOKIE).stream()
                .flatMap(cookies -> Arrays.stream(cookies.split(";", -1)))
                .map(String::strip)
                .filter(cookie -> cookie.startsWith(COOKIE + "="))
                .map(cookie -> cookie.substring(COOKIE.length() + 1))
                .findFirst()
                .orElse(null);
        try {
            return value == null ? null : URLDecoder.decode(value, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            return value;
        }
    }
}
