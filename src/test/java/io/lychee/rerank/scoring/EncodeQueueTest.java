package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Reason;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Fetching and encoding: order, bounds, and lists that leave. */
class EncodeQueueTest extends SchedulerFixture {

    private final EncodeQueue queue = scheduler.encodeQueue();

    @Test
    void backfillGetsHalfOfTheFetches() {
        ListInFlight backfill = add(Lists.withImages("backfill", 10, 1), Lane.BACKFILL, 0);
        takePrefix(backfill);
        EncodeTask first = queue.nextFetch();
        assertThat(queue.nextFetch()).isNotNull();
        assertThat(queue.nextFetch()).as("two of four").isNull();

        ListInFlight realtime = add(Lists.withImages("realtime", 10, 1), Lane.REALTIME, 0);
        takePrefix(realtime);
        assertThat(queue.nextFetch().owner()).isSameAs(realtime);
        assertThat(queue.nextFetch()).isNotNull();
        assertThat(queue.nextFetch()).as("four of four").isNull();
        queue.fetched(first, List.of(new byte[1000]));
        assertThat(queue.bytes()).isEqualTo(1000);
        assertThat(queue.nextEncode()).isEqualTo(first);
        assertThat(queue.nextFetch().owner()).isSameAs(realtime);
    }

    @Test
    void aSlowHostHoldsUpOnlyWhatNeedsAFetch() {
        takePrefix(add(Lists.withImages("slow", 10, 1)));
        for (int i = 0; i < 4; i++) {
            assertThat(queue.nextFetch()).isNotNull();
        }
        CandidateList texts = Lists.of("image-query", 2);
        add(new CandidateList(
                "image-query",
                null,
                Map.of(),
                Lists.withImages("q", 1, 1).candidates().get(0).content(),
                texts.candidates(),
                null,
                null));
        assertThat(queue.hasWork())
                .as("four of four, and no candidate before its prefix")
                .isFalse();

        ListInFlight text = add(Lists.of("text", 3));
        for (int i = EncodeTask.PREFIX; i < 3; i++) {
            EncodeTask task = queue.nextEncode();
            assertThat(task).isEqualTo(new EncodeTask(text, i));
            assertThat(queue.nextFetch()).isNull();
            scheduler.encoded(task, Lists.segment(5));
        }
        assertThat(ids(scheduler.nextPass(ticker.nanos()))).containsExactly("text");
    }

    @Test
    void fetchedImagesAreEncodedInTheirTurnAmongTexts() {
        ListInFlight images = add(Lists.withImages("images", 1, 1), Lane.REALTIME, 1000);
        ListInFlight later = add(Lists.of("later", 1), Lane.REALTIME, 2000);
        takePrefix(images);
        EncodeTask fetch = queue.nextFetch();
        takePrefix(later);
        queue.fetched(fetch, List.of(new byte[1]));

        assertThat(queue.nextEncode()).isEqualTo(fetch);
        assertThat(queue.images(fetch)).hasSize(1);
        assertThat(queue.nextEncode()).isEqualTo(new EncodeTask(later, 0));
        assertThat(queue.hasWork()).isFalse();
    }

    @Test
    void imagesThatCameWithTheListNeedNoFetchAndCountWhileTheyAreEncoded() {
        CandidateList texts = Lists.of("inline", 1);
        Content query = new Content("query", List.of(new Image.Bytes(new byte[700])));
        ListInFlight inline = add(new CandidateList("inline", null, Map.of(), query, texts.candidates(), null, null));
        takePrefix(inline);
        EncodeTask prefix = new EncodeTask(inline, EncodeTask.PREFIX);

        assertThat(queue.images(prefix))
                .singleElement()
                .satisfies(image -> assertThat(image).hasSize(700));
        assertThat(queue.bytes()).isEqualTo(700);
        queue.release(prefix);
        assertThat(queue.bytes()).isZero();
    }

    @Test
    void fetchedWorkOfAnAnsweredListHoldsUpNothing() {
        ListInFlight expired = add(Lists.withImages("expired", 4, 1));
        takePrefix(expired);
        for (EncodeTask task = queue.nextFetch(); task != null; task = queue.nextFetch()) {
            queue.fetched(task, List.of(new byte[10]));
        }
        ListInFlight next = add(Lists.withImages("next", 1, 1));
        scheduler.expire(expired);

        assertThat(queue.bytes()).isZero();
        takePrefix(next);
        assertThat(queue.nextFetch()).isEqualTo(new EncodeTask(next, 0));
    }

    @Test
    void fetchesAreCountedByImage() {
        ListInFlight three = add(Lists.withImages("three", 2, 3));
        takePrefix(three);
        EncodeTask first = queue.nextFetch();
        assertThat(queue.nextFetch()).as("three of four, and three more").isNull();
        scheduler.fetchFailed(first, Reason.IMAGE_NOT_FOUND, "gone");
        EncodeTask second = queue.nextFetch();

        ListInFlight eight = add(Lists.withImages("eight", 2, 8), Lane.BACKFILL, 0);
        takePrefix(eight);
        assertThat(queue.nextFetch()).isNull();
        scheduler.fetchFailed(second, Reason.IMAGE_NOT_FOUND, "gone");
        assertThat(queue.nextFetch()).as("more than four, alone").isEqualTo(new EncodeTask(eight, 0));
        assertThat(queue.nextFetch()).isNull();
    }

    @Test
    void imagesAreFetchedIntoBytesThatAreFree() {
        EncodeQueue small = new EncodeQueue(Lists.settings(40, 4 * Lists.IMAGE_BYTES));
        ListInFlight three = list(Lists.withImages("three", 3, 3), Lane.REALTIME, 0);
        for (int i = 0; i < 3; i++) {
            small.add(new EncodeTask(three, i));
        }
        EncodeTask first = small.nextFetch();
        assertThat(small.reservedBytes).isEqualTo(3 * Lists.IMAGE_BYTES);
        assertThat(small.hasWork()).as("one would fit, three more don't").isFalse();
        ListInFlight text = list(Lists.of("text", 1), Lane.REALTIME, 0);
        small.add(new EncodeTask(text, 0));
        assertThat(small.nextEncode().owner())
                .as("a slow host holds up no text")
                .isSameAs(text);

        small.fetched(first, List.of(new byte[600], new byte[600], new byte[601]));
        assertThat(small.reservedBytes).isZero();
        assertThat(small.bytes()).isEqualTo(1801);
        assertThat(small.nextEncode()).isEqualTo(first);
        assertThat(small.hasWork()).as("what is being encoded is in memory").isFalse();
        ListInFlight later = list(Lists.of("later", 1), Lane.REALTIME, 0);
        small.add(new EncodeTask(later, 0));
        assertThat(small.hasWork())
                .as("nor is the room for them filled by what is less urgent")
                .isFalse();
        small.release(first);
        EncodeTask second = small.nextFetch();
        assertThat(second.owner()).isSameAs(three);

        ListInFlight six = list(Lists.withImages("six", 1, 6), Lane.REALTIME, 0);
        small.remove(later);
        small.remove(three);
        small.add(new EncodeTask(six, 0));
        assertThat(small.hasWork()).as("larger than the bound, so alone").isFalse();
        small.fetchFailed(second);
        assertThat(small.nextFetch().owner()).isSameAs(six);
    }

    @Test
    void forWantOfBytesFetchedImagesAreEncodedBeforeMoreUrgentTexts() {
        EncodeQueue small = new EncodeQueue(Lists.settings(40, 1000));
        ListInFlight image = list(Lists.withImages("image", 1, 1), Lane.REALTIME, 2000);
        small.add(new EncodeTask(image, 0));
        EncodeTask fetch = small.nextFetch();
        small.fetched(fetch, List.of(new byte[1000]));
        ListInFlight text = list(Lists.of("text", 1), Lane.REALTIME, 1000);
        small.add(new EncodeTask(text, 0));

        assertThat(small.nextEncode()).isEqualTo(fetch);
        assertThat(small.nextEncode()).as("until its bytes are given back").isNull();
        small.release(fetch);
        assertThat(small.nextEncode()).isEqualTo(new EncodeTask(text, 0));
    }

    @Test
    void aListThatIsGivenUpLeavesNothing() {
        for (int step = 0; step < 5; step++) {
            ListInFlight pending = add(Lists.withImages("given-up", 3, 1));
            takePrefix(pending);
            EncodeTask task = queue.nextFetch();
            if (step > 0) {
                queue.fetched(task, List.of(new byte[100]));
            }
            if (step > 1) {
                assertThat(queue.nextEncode()).isEqualTo(task);
            }
            Scheduler.PlannedPass planned = null;
            if (step > 2) {
                scheduler.encoded(task, Lists.segment(5));
                encode(pending, EncodeTask.PREFIX, 5);
            }
            if (step > 3) {
                planned = scheduler.nextPass(ticker.nanos());
            }
            scheduler.remove(pending);
            if (step == 0) {
                scheduler.fetchFailed(task, Reason.IMAGE_NOT_FOUND, "cancelled");
            } else if (step == 2) {
                scheduler.encoded(task, Lists.segment(5));
            } else if (step > 3) {
                scheduler.scored(planned, new float[1], new int[0], 1_000_000, ticker.nanos());
            }

            assertThat(queue.hasWork()).as("step %d", step).isFalse();
            assertThat(queue.bytes()).as("step %d", step).isZero();
            assertThat(queue.reservedBytes).as("step %d", step).isZero();
            assertThat(scheduler.nextPass(ticker.nanos())).as("step %d", step).isNull();
            assertThat(scheduler.unsettled()).as("step %d", step).isZero();
            assertThat(answers()).as("step %d", step).isEmpty();
        }
    }
}
