package io.lychee.rerank.wire;

import static io.lychee.rerank.wire.Fields.get;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/** Maps {@link CandidateList} to {@code candidate_list.avsc} and back. */
public final class CandidateListCodec {

    private static final WireSchema TYPE = WireSchema.CANDIDATE_LIST;
    private static final Schema CANDIDATE = TYPE.schema("candidates").getElementType();

    private CandidateListCodec() {}

    public static byte[] encode(CandidateList list, OutputFormat format) {
        return WireSchema.encode(toRecord(list), format);
    }

    /**
     * Decodes Avro or plain JSON.
     *
     * @throws UnreadableException when {@code value} is no list, has more candidates, or a field is out of its range
     */
    public static CandidateList decode(byte[] value, int maxCandidates, UnknownFields unknown)
            throws UnreadableException {
        GenericRecord record = TYPE.read(value, maxCandidates, unknown);
        try {
            return fromRecord(record);
        } catch (IllegalArgumentException e) {
            throw new UnreadableException(DeadLetterReason.INVALID, String.valueOf(e.getMessage()));
        }
    }

    /** @throws IllegalArgumentException when a field is out of its range */
    public static CandidateList fromRecord(GenericRecord record) {
        List<Candidate> candidates = new ArrayList<>();
        for (GenericRecord candidate : Fields.<List<GenericRecord>>get(record, "candidates")) {
            candidates.add(new Candidate(
                    get(candidate, "id"),
                    content(candidate),
                    finite(get(candidate, "retrieval_score")),
                    get(candidate, "attributes"),
                    get(candidate, "relevance")));
        }
        return new CandidateList(
                get(record, "request_id"),
                get(record, "instruction"),
                get(record, "attributes"),
                content(get(record, "query")),
                candidates,
                get(record, "top_n"),
                get(record, "timeout_ms"));
    }

    public static GenericRecord toRecord(CandidateList list) {
        Content query = list.query();
        List<GenericRecord> candidates = new ArrayList<>();
        for (Candidate candidate : list.candidates()) {
            candidates.add(Fields.record(
                    CANDIDATE,
                    candidate.id(),
                    candidate.content().text(),
                    images(candidate.content()),
                    candidate.retrievalScore(),
                    candidate.attributes(),
                    candidate.relevance()));
        }
        return Fields.record(
                TYPE.schema(),
                list.requestId(),
                list.instruction(),
                list.attributes(),
                Fields.record(TYPE.schema("query"), query.text(), images(query)),
                candidates,
                list.topN(),
                list.timeoutMs());
    }

    private static Content content(GenericRecord record) {
        List<Object> images = get(record, "images");
        return new Content(
                get(record, "text"),
                images.stream().map(CandidateListCodec::image).toList());
    }

    private static Image image(Object image) {
        if (image instanceof ByteBuffer buffer) {
            return new Image.Bytes(Fields.bytes(buffer));
        }
        return Image.of(image.toString()); // writers of Avro may use data: URIs too
    }

    private static List<Object> images(Content content) {
        List<Object> images = new ArrayList<>();
        for (Image image : content.images()) {
            images.add(
                    image instanceof Image.Bytes bytes
                            ? ByteBuffer.wrap(bytes.data())
                            : ((Image.Reference) image).uri());
        }
        return images;
    }

    private static @Nullable Double finite(@Nullable Double value) {
        return value == null || !Double.isFinite(value) ? null : value;
    }
}
