package io.lychee.rerank.bench;

import io.lychee.rerank.cli.DemoShop;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Lists drawn from the demo shop's queries and products, each different. */
record BenchLists(List<Content> queries, List<Content> texts, List<Content> pictures, Shape shape) {

    /**
     * What lists are like.
     *
     * @param candidates mean number in a list
     * @param spread share of that by which a list may be larger or smaller
     * @param images share of the candidates that are pictures
     */
    record Shape(int candidates, double spread, double images) {}

    static BenchLists of(DemoShop shop, Shape shape) {
        List<Content> contents = shop.lists().stream()
                .flatMap(list -> list.candidates().stream())
                .map(Candidate::content)
                .distinct()
                .toList();
        return new BenchLists(
                shop.lists().stream()
                        .map(CandidateList::query)
                        .filter(query -> query.images().isEmpty())
                        .toList(),
                contents.stream().filter(c -> c.images().isEmpty()).toList(),
                contents.stream().filter(c -> !c.images().isEmpty()).toList(),
                shape);
    }

    BenchLists with(Shape other) {
        return new BenchLists(queries, texts, pictures, other);
    }

    CandidateList next(String requestId, @Nullable Long timeoutMs, Random random) {
        int most = (int) Math.round(shape.candidates * shape.spread);
        int count = Math.max(1, shape.candidates - most + random.nextInt(2 * most + 1));
        List<Candidate> candidates = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            List<Content> kind = random.nextDouble() < shape.images ? pictures : texts;
            candidates.add(
                    new Candidate("c" + i, kind.get(random.nextInt(kind.size())), (double) count - i, Map.of(), null));
        }
        Content query = queries.get(random.nextInt(queries.size()));
        return new CandidateList(requestId, null, Map.of(), query, candidates, null, timeoutMs);
    }
}
