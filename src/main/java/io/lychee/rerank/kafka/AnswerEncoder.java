package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.wire.Fields;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.SizeBudget;
import io.lychee.rerank.wire.Utf8;
import io.lychee.rerank.wire.WireSchema;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.avro.generic.GenericRecord;

/**
 * Answers to records. An answer that would not fit {@code kafka.max-record-bytes} loses, one after the other until it
 * fits: details and rules of its candidates, {@code left_out}, attributes, the end of its results; {@code shortened}
 * says so. Headers that take more than half of it are not carried over. Safe for any thread.
 */
public final class AnswerEncoder {

    private static final int SHORT_TEXT = 40;

    private record Loss(String what, Consumer<GenericRecord> step) {}

    private static final List<Loss> LOSSES = List.of(
            new Loss(
                    "details and rules of candidates",
                    answer -> eachCandidate(answer, candidate -> {
                        candidate.put("detail", null);
                        candidate.put("rules", List.of());
                    })),
            new Loss("left_out", answer -> answer.put("left_out", List.of())),
            new Loss(
                    "attributes of candidates",
                    answer -> eachCandidate(answer, candidate -> candidate.put("attributes", Map.of()))),
            new Loss("attributes", answer -> answer.put("attributes", Map.of())));

    private final OutputFormat format;
    private final int maxRecordBytes;
    private final int budget;

    public AnswerEncoder(RerankConfig.Kafka kafka) {
        this(kafka.outputFormat(), kafka.maxRecordBytes());
    }

    public AnswerEncoder(OutputFormat format, int maxRecordBytes) {
        this.format = format;
        this.maxRecordBytes = maxRecordBytes;
        this.budget = SizeBudget.budget(maxRecordBytes);
    }

    /**
     * The answer to {@code origin}: its headers are carried over, its key goes into the header {@code lychee.key} where
     * it is not the request id.
     */
    public OutputRecord encode(RerankedList answer, SourceRecord origin) {
        byte[] key = answer.requestId().getBytes(StandardCharsets.UTF_8);
        Headers headers = origin.headers();
        if (origin.key != null && !Arrays.equals(origin.key, key)) {
            headers = headers.with(SizeBudget.KEY_HEADER, origin.key);
        }
        List<String> lost = new ArrayList<>();
        if (headers.size() > budget / 2) {
            headers = Headers.NONE;
            lost.add("headers");
        }
        OutputRecord out = new OutputRecord();
        out.key = key;
        out.headerNames = headers.names();
        out.headerValues = headers.values();
        out.position = origin.position;
        count(answer, out);
        out.value = fit(RerankedListCodec.toRecord(answer), lost, budget - out.size());
        return out;
    }

    /** Counts before the answer is shortened. */
    private static void count(RerankedList answer, OutputRecord out) {
        out.unscored = answer.status() == ListStatus.UNSCORED;
        out.candidates = answer.results().size() + answer.leftOut().size();
        out.rejected = Stream.concat(answer.results().stream(), answer.leftOut().stream())
                .filter(candidate -> candidate.score() == null)
                .map(RankedCandidate::reason)
                .filter(reason -> reason != null && reason != Reason.DEADLINE)
                .map(String::valueOf)
                .toArray(String[]::new);
    }

    private byte[] fit(GenericRecord answer, List<String> lost, long room) {
        byte[] value = encode(answer);
        String because = " left out: with them the record would have " + value.length + " bytes of at most "
                + maxRecordBytes + " (kafka.max-record-bytes)";
        if (!lost.isEmpty()) {
            answer.put("shortened", lost.get(0) + " left out: more than half of kafka.max-record-bytes");
            value = encode(answer);
        }
        for (Loss loss : LOSSES) {
            if (value.length <= room) {
                return value;
            }
            loss.step().accept(answer);
            lost.add(loss.what());
            answer.put("shortened", String.join(", ", lost) + because);
            value = encode(answer);
        }
        return value.length <= room ? value : cutResults(answer, lost, because, room);
    }

    private byte[] cutResults(GenericRecord answer, List<String> lost, String because, long room) {
        GenericRecord model = (GenericRecord) answer.get("model");
        model.put("name", Utf8.cut(Fields.text(model, "name"), SHORT_TEXT));
        model.put("fingerprint", Utf8.cut(Fields.text(model, "fingerprint"), 2 * SHORT_TEXT));
        String detail = Fields.optionalText(answer, "detail");
        answer.put("detail", detail == null ? null : Utf8.cut(detail, SHORT_TEXT));
        List<GenericRecord> results = Fields.records(answer, "results");
        int fits = 0;
        int tooMany = results.size() + 1;
        while (tooMany - fits > 1) {
            int tried = (fits + tooMany) >>> 1;
            cut(answer, results, tried, lost, because);
            if (encode(answer).length <= room) {
                fits = tried;
            } else {
                tooMany = tried;
            }
        }
        cut(answer, results, fits, lost, because);
        return encode(answer);
    }

    private static void cut(
            GenericRecord answer, List<GenericRecord> results, int kept, List<String> lost, String because) {
        answer.put("results", results.subList(0, kept));
        String all = String.join(", ", lost) + (kept < results.size() ? ", results behind rank " + kept : "");
        answer.put("shortened", all + because);
    }

    private byte[] encode(GenericRecord answer) {
        return SizeBudget.encode(WireSchema.RERANKED_LIST, answer, format);
    }

    private static void eachCandidate(GenericRecord answer, Consumer<GenericRecord> step) {
        Fields.records(answer, "results").forEach(step);
        Fields.records(answer, "left_out").forEach(step);
    }
}
