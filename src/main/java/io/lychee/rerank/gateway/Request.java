package io.lychee.rerank.gateway;

import org.jspecify.annotations.Nullable;

/**
 * A request whose body is here.
 *
 * @param path without the query
 * @param place what its heap is reserved under; null for the gateway's own
 * @param clientId what the client calls it ({@code X-Request-Id}); null where it doesn't say
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Request(
        String path,
        byte[] body,
        Admission.@Nullable Place place,
        @Nullable String clientId) {}
