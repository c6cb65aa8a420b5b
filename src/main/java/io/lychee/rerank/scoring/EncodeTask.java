package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import java.util.List;

/** Names one prompt part of a list to be encoded: its prefix, or one candidate. The most urgent comes first. */
record EncodeTask(ListInFlight owner, int index) implements Comparable<EncodeTask> {

    /** Index of a list's shared prefix. */
    static final int PREFIX = -1;

    @Override
    public int compareTo(EncodeTask other) {
        return owner == other.owner
                ? Integer.compare(index, other.index)
                : ListInFlight.URGENCY.compare(owner, other.owner);
    }

    boolean isPrefix() {
        return index == PREFIX;
    }

    Content content() {
        return isPrefix()
                ? owner.list.query()
                : owner.list.candidates().get(index).content();
    }

    /** Counts the images that have to be fetched. */
    int references() {
        return content().images().size() - inlineImages().size();
    }

    /** Returns the bytes of the images that came with the list. */
    List<byte[]> inlineImages() {
        return content().images().stream()
                .filter(Image.Bytes.class::isInstance)
                .map(image -> ((Image.Bytes) image).data())
                .toList();
    }
}
