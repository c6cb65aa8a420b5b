package io.lychee.rerank.gateway;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.DataUri;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.image.FileImageReader;

/** Serves pictures to the console: files that this configuration lets the job read, and those of lists that passed. */
final class Pictures {

    private final FileImageReader files;
    private final Live live;

    Pictures(RerankConfig config, Live live) {
        this.files = new FileImageReader(config.limits());
        this.live = live;
    }

    void addTo(Router router) {
        router.add("/api/pictures/", (Route.Lookup) path -> picture(Router.lastSegment(path)));
        router.add("/api/live/pictures/", (Route.Lookup) path -> picture(live.picture(Router.lastSegment(path))));
    }

    /**
     * @param reference {@code file:PATH} or {@code data:}
     * @throws HttpError 403, 404 or 413 for a file that the job can't read either; 422 for what a browser can't show
     */
    private Response picture(String reference) {
        byte[] bytes = DataUri.parse(reference);
        if (bytes == null) {
            bytes = file(reference);
        }
        String type = DataUri.type(bytes);
        if (type.equals(DataUri.UNKNOWN)) {
            throw new HttpError(422, "the picture is no JPEG, PNG, WebP or GIF");
        }
        return Response.of(type, bytes);
    }

    private byte[] file(String reference) {
        if (!reference.startsWith("file:")) {
            throw new HttpError(404, "the picture is elsewhere; expected file:PATH");
        }
        try {
            return files.read(reference);
        } catch (RejectedException e) {
            int status = e.reason() == Reason.IMAGE_FORBIDDEN ? 403 : e.reason() == Reason.IMAGE_TOO_LARGE ? 413 : 404;
            throw new HttpError(status, String.valueOf(e.getMessage()));
        }
    }
}
