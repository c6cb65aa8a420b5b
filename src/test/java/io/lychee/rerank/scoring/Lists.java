package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Lane;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Small lists for tests of the scoring core. */
public final class Lists {

    /** As {@code image.max-bytes}. */
    static final int IMAGE_BYTES = 1000;

    private Lists() {}

    public static CandidateList of(String id, int candidates) {
        return of(id, candidates, null, null);
    }

    public static CandidateList of(String id, int candidates, @Nullable Integer topN, @Nullable Long timeoutMs) {
        return withTexts(
                id, IntStream.range(0, candidates).mapToObj(i -> "text " + i).toList(), topN, timeoutMs);
    }

    public static CandidateList withTexts(
            String id, List<String> texts, @Nullable Integer topN, @Nullable Long timeoutMs) {
        return new CandidateList(
                id,
                null,
                Map.of(),
                new Content("query", List.of()),
                IntStream.range(0, texts.size())
                        .mapToObj(i -> new Candidate("c" + i, content(texts.get(i)), null, Map.of(), null))
                        .toList(),
                topN,
                timeoutMs);
    }

    /** Text alone, but for one that {@link TestingEncoder} fails to fetch. */
    private static Content content(String text) {
        boolean fetches = text.equals("no-image") || text.equals("broken-fetch");
        return new Content(text, fetches ? List.of(new Image.Reference("https://images.test/1.jpg")) : List.of());
    }

    /** Candidates of text and so many images by reference. */
    static CandidateList withImages(String id, int candidates, int images) {
        CandidateList texts = of(id, candidates);
        List<Image> references = Collections.nCopies(images, new Image.Reference("https://images.test/1.jpg"));
        return new CandidateList(
                id,
                null,
                Map.of(),
                texts.query(),
                texts.candidates().stream()
                        .map(c -> new Candidate(
                                c.id(), new Content(c.content().text(), references), null, Map.of(), null))
                        .toList(),
                null,
                null);
    }

    public static Arrival realtime() {
        return new Arrival(Lane.REALTIME, -1, 1_000_000, 0);
    }

    public static PromptPart segment(int tokens) {
        return new PromptPart(new int[tokens], List.of(), 0, false);
    }

    public static EngineSettings settings(int passTokens) {
        return settings(passTokens, 1 << 20);
    }

    static EngineSettings settings(int passTokens, long encodeBytes) {
        return settings(passTokens, encodeBytes, Duration.ofSeconds(60), Duration.ofSeconds(60));
    }

    public static EngineSettings settings(
            int passTokens, long encodeBytes, Duration passTimeout, Duration encodeTimeout) {
        return settings(passTokens, encodeBytes, passTimeout, encodeTimeout, 0);
    }

    static EngineSettings keepingScores(int passTokens, int scores) {
        return settings(passTokens, 1 << 20, Duration.ofSeconds(60), Duration.ofSeconds(60), scores);
    }

    private static EngineSettings settings(
            int passTokens, long encodeBytes, Duration passTimeout, Duration encodeTimeout, int scores) {
        return new EngineSettings(
                passTokens,
                passTimeout,
                100,
                50,
                2,
                encodeTimeout,
                encodeBytes,
                IMAGE_BYTES,
                4,
                0.1,
                scores,
                Duration.ofHours(1));
    }
}
