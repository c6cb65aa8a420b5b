package io.lychee.rerank.gateway;

import org.jspecify.annotations.Nullable;

/**
 * A request whose body is here.
 *
 * @param path without the query
 * @param clientId what the client calls it ({@code X-Request-Id}); null where it doesn't say
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Request(String path, byte[] body, @Nullable String clientId) {}
