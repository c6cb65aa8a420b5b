package io.lychee.rerank.wire;

import io.lychee.rerank.domain.Unicode;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Counts JSON fields that no schema has, and logs each name once. Safe for any thread. */
public final class UnknownFields {

    private static final Logger LOG = LoggerFactory.getLogger(UnknownFields.class);

    /** Names logged at most: endless new names fill neither memory nor log. */
    private static final int MAX_NAMES = 100;

    private final Set<String> named = ConcurrentHashMap.newKeySet();
    private final LongAdder count = new LongAdder();

    void seen(String type, String name) {
        count.increment();
        String field = type + "." + Unicode.cut(name, 100).replaceAll("\\p{Cntrl}", "?");
        if (named.size() < MAX_NAMES && named.add(field)) {
            LOG.warn("unknown field {} is ignored, here and in all later records", field);
        }
    }

    public long count() {
        return count.sum();
    }
}
