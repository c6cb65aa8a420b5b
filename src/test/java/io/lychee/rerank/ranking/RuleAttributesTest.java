package io.lychee.rerank.ranking;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class RuleAttributesTest {

    @Test
    void anAttributeThatNoCandidateHasIsNamedWithThoseThereAre() {
        RuleAttributes attributes = attributes("sale", "brand");
        for (int i = 0; i < RuleAttributes.FIRST_LISTS; i++) {
            attributes.check(list(Map.of("sales", "7", "br\nand", "x", "a" + i, "")));
        }
        attributes.check(list(Map.of("brand", "too late")));

        assertThat(attributes.warning())
                .startsWith("rules look at [brand, sale], which no candidate of the first 100 lists has; ")
                .contains("br?and", "sales")
                .hasSizeLessThan(300)
                .doesNotContain("\n");
    }

    @Test
    void attributesThatWereSeenAreNoReason() {
        RuleAttributes attributes = attributes("sales", "brand");
        attributes.check(list(Map.of("sales", "7")));
        assertThat(attributes.warning()).contains("[brand]", "first 1 lists");
        attributes.check(list(Map.of("brand", "x")));
        assertThat(attributes.warning()).isNull();
        assertThat(attributes().warning()).isNull();
    }

    /** With a rule on each of these attributes. */
    private static RuleAttributes attributes(String... names) {
        return new RuleAttributes(Rules.parse(Stream.of(names)
                .map(name -> name + ": " + name + " = x -> boost 1")
                .toList()));
    }

    private static CandidateList list(Map<String, String> attributes) {
        Candidate candidate = new Candidate("a", new Content("text", List.of()), null, attributes, null);
        return new CandidateList("q", null, Map.of(), new Content("text", List.of()), List.of(candidate), null, null);
    }
}
