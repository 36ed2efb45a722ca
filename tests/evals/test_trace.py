"""The z-buffer against closed formulas: depth of a sphere, of the table, and where one shadow falls."""

import numpy as np

from foveal.evals.camera import Camera
from foveal.evals.geometry import Box, Sphere
from foveal.evals.trace import Body, Wall, shadows, tally, trace

CAMERA = Camera.look((200, 160), np.radians(50), (-1.0, 0.2, 0.6), (0.0, 0.0, 0.05))
WALL = Wall((1.0, 0.0), 3.0)


def test_camera_axes_are_orthonormal_and_the_target_is_in_the_middle() -> None:
    axes = np.array([CAMERA.forward, CAMERA.right, CAMERA.down])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    x, y, depth = CAMERA.project(np.array([[0.0, 0.0, 0.05]]))[0]
    np.testing.assert_allclose((x, y), (100, 80))
    np.testing.assert_allclose(depth, np.sqrt(1 + 0.2**2 + 0.55**2))
    assert (
        CAMERA.project(np.array([[0.0, 0.0, 0.2]]))[0, 1] < 80
    )  # higher in the world is higher in the picture


def test_sphere_depth_follows_the_closed_formula() -> None:
    seen = trace(CAMERA, [Body(Sphere(0.1), (0.1, -0.05, 0.0), 0.7, 1)], WALL)
    row, column = np.nonzero(seen.body == 0)
    assert len(row) > 500
    u, v = (column + 0.5 - 100) / CAMERA.focal, (row + 0.5 - 80) / CAMERA.focal
    ray = np.outer(np.ones_like(u), CAMERA.forward)
    ray += np.outer(u, CAMERA.right) + np.outer(v, CAMERA.down)
    offset = np.array(CAMERA.eye) - (0.1, -0.05, 0.1)
    a, b, c = (ray**2).sum(axis=1), ray @ offset, offset @ offset - 0.01
    np.testing.assert_allclose(
        seen.depth[row, column], (-b - np.sqrt(b * b - a * c)) / a, atol=1e-4
    )


def test_table_points_project_back_to_their_pixels() -> None:
    seen = trace(CAMERA, [], WALL)
    row, column = np.nonzero(seen.body == -1)
    x, y, z = CAMERA.rays()
    depth = seen.depth[row, column]
    points = np.stack(
        [CAMERA.eye[0] + depth * x[row, column], CAMERA.eye[1] + depth * y[row, column]], axis=1
    )
    np.testing.assert_allclose(CAMERA.eye[2] + depth * z[row, 0], 0, atol=1e-5)
    back = CAMERA.project(np.column_stack([points, np.zeros(len(points))]))
    np.testing.assert_allclose(back[:, 0], column + 0.5, atol=1e-2)
    np.testing.assert_allclose(back[:, 1], row + 0.5, atol=1e-2)


def test_what_stands_behind_shows_less_than_all_of_itself() -> None:
    front = Body(Box(0.02, 0.02, 0.3), (-0.2, 0.04, 0.0), 0.0, 1)
    behind = Body(Box(0.05, 0.05, 0.1), (0.1, 0.0, 0.0), 0.0, 2)
    counts = tally(trace(CAMERA, [front, behind], WALL), [front, behind])
    alone = tally(trace(CAMERA, [behind], WALL), [behind])
    assert counts[1][0] == counts[1][1]
    assert 0 < counts[2][0] < counts[2][1] == alone[2][0]


def test_a_thing_of_two_bodies_counts_shared_pixels_once() -> None:
    same = [Body(Box(0.05, 0.05, 0.1), (0.0, 0.0, 0.0), 0.3, 1)] * 2
    ((visible, full),) = tally(trace(CAMERA, same, WALL), same).values()
    assert visible == full


def test_shadow_of_a_box_lies_where_light_is_cut_off() -> None:
    box = Body(Box(0.05, 0.05, 0.2), (0.0, 0.0, 0.0), 0.0, 1)
    seen = trace(CAMERA, [box], WALL)
    x, y, z = (e + seen.depth * d for e, d in zip(CAMERA.eye, CAMERA.rays(), strict=True))
    slant = float(np.sqrt(0.5))
    dark = shadows(CAMERA, [box], seen, (x, y, z), (0.0, slant, slant))
    table = seen.body == -1
    # Light comes from +y at 45 degrees: the shadow is a strip as wide as the box and 0.2 m long towards -y.
    strip = (abs(x) < 0.05) & (y < -0.05) & (y > -0.25)
    assert dark[table & strip].all()
    assert not dark[table & ((abs(x) > 0.052) | (y > 0.052) | (y < -0.252))].any()
    assert not dark[seen.body == 0].any()


def test_a_tilted_board_leans_away_from_its_front() -> None:
    board = Body(Box(0.1, 0.005, 0.2), (0.3, 0.1, 0.01), 0.4, 1, tilt=0.5)
    corners = board.corners()
    top, bottom = corners[corners[:, 2] > 0.1], corners[corners[:, 2] < 0.1]
    np.testing.assert_allclose(top[:, 2].mean(), 0.01 + 0.2 * np.cos(0.5), atol=1e-9)
    back = np.array([-np.sin(0.4), np.cos(0.4)])
    moved = (top.mean(axis=0) - bottom.mean(axis=0))[:2]
    np.testing.assert_allclose(moved, 0.2 * np.sin(0.5) * back, atol=1e-9)


def test_going_into_a_bodys_frame_and_back_changes_nothing() -> None:
    board = Body(Box(0.1, 0.005, 0.2), (0.0, 0.0, 0.0), 0.7, 1, tilt=0.6)
    vector = (np.float32(0.3), np.float32(-0.2), np.float32(0.5))
    back = board.globalise(board.localise(vector, point=False))
    np.testing.assert_allclose(back, vector, atol=1e-6)
