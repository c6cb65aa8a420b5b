package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import java.util.Comparator;

/** Names one stretch of a list to be encoded: its prefix, or one candidate. */
record EncodeTask(ListInFlight owner, int index) {

    /** Index that stands for a list's shared prefix. */
    static final int PREFIX = -1;

    static final Comparator<EncodeTask> URGENCY =
            Comparator.comparing(EncodeTask::owner, ListInFlight.URGENCY).thenComparingInt(EncodeTask::index);

    boolean isPrefix() {
        return index == PREFIX;
    }

    Content content() {
        return isPrefix()
                ? owner.list.query()
                : owner.list.candidates().get(index).content();
    }

    /** Images that have to be fetched. */
    int references() {
        int references = 0;
        for (Image image : content().images()) {
            references += image instanceof Image.Reference ? 1 : 0;
        }
        return references;
    }
}
