package io.lychee.rerank.hub;

/** Shows how far a download is; called several times a second. */
@FunctionalInterface
public interface Progress {

    /** @param done bytes of {@code total}, those of earlier runs included */
    void show(long done, long total);
}
